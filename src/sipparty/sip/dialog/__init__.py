"""Dialogs (RFC 3261 §12) and what is done in them; `SimpleCall` is the one for calls."""

from sipparty.sip.dialog.call import SimpleCall
from sipparty.sip.dialog.dialog import Dialog
from sipparty.sip.dialog.session import Session
from sipparty.sip.dialog.state import DialogState

__all__ = ["Dialog", "DialogState", "Session", "SimpleCall"]

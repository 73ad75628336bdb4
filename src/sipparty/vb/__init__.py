"""Attributes that follow one another: `ValueBinder` binds paths, `Delegate` passes one on."""

from sipparty.vb.binder import Transformer, ValueBinder
from sipparty.vb.paths import BindingError, Delegate

__all__ = ["BindingError", "Delegate", "Transformer", "ValueBinder"]

"""`sipparty.deepclass`: declared attributes, deep keywords, copies, equality, repr."""

from __future__ import annotations

import copy
import pickle

import pytest

from sipparty.deepclass import Attribute, DeepClass
from sipparty.errors import ParseError
from sipparty.parse import ParsedProperty, Parser, Piece
from sipparty.vb import BindingError, Delegate


class Engine(Parser, DeepClass):
    pieces = (
        Piece("maker", "a-z", "a maker"),
        Piece("power", "0-9", "a power", before="/", parse=int),
    )

    maker = Attribute(str)
    power = Attribute(int, default=50)


def even(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError("not an int")
    if value % 2:
        raise ValueError(f"{value} is odd")
    return value


class Car(DeepClass):
    name = Attribute(str)
    engine = Attribute(Engine)
    wheels = Attribute(default=4, convert=even)
    tags = Attribute(list, factory=list)
    spare = Attribute(str, hide_default=True)
    anything = Attribute(hide_default=True)

    power = Delegate[int | None]("engine.power")

    @property
    def nick(self) -> str | None:
        return self.name

    @nick.setter
    def nick(self, value: str) -> None:
        self.name = value.title()


class Garage(DeepClass):
    car = Attribute(Car)
    second = ParsedProperty(Engine)


class Truck(Car):
    load = Attribute(int)
    wheels = Attribute(default=6)


class TestMaking:
    def test_defaults(self):
        car = Car()
        assert (car.name, car.engine, car.wheels, car.tags) == (None, None, 4, [])

    def test_a_factorys_value_is_kept_and_not_shared(self):
        one, other = Car(), Car()
        one.tags.append("red")
        assert (one.tags, other.tags) == (["red"], [])

    def test_deep_keywords_make_what_is_missing(self):
        garage = Garage(car__engine__maker="vw", car__name="beetle")
        assert garage.car.engine.maker == "vw"
        assert garage.car.engine.power == 50
        assert garage.car.name == "beetle"

    def test_wholes_are_set_before_parts(self):
        engine = Engine(maker="fiat")
        car = Car(engine__power=70, power=80, engine=engine)
        assert car.engine is engine
        assert engine.power == 80

    def test_text_is_parsed(self):
        garage = Garage(car__engine="vw/30", second=b"kia/1")
        assert garage.car.engine.power == 30
        garage.car.engine = "bmw/99"
        assert garage.car.engine.maker == "bmw"
        assert garage.second.maker == "kia"

    def test_delegates_and_properties_are_keywords_too(self):
        assert Car(power=3).engine.power == 3
        assert Car(nick="herbie").name == "Herbie"

    @pytest.mark.parametrize(
        ("keyword", "message"),
        [
            ("nmae", r"Car has no attribute 'nmae'; did you mean 'name'\?"),
            (
                "engine__makr",
                r"Car has no attribute 'engine__makr' \('makr' is not one of Engine's\); "
                r"did you mean 'engine__maker'\?",
            ),
            ("enigne__power", r"did you mean 'engine__power'\?"),
            ("zzz", r"Car has no attribute 'zzz'; it has name, engine, wheels, .*power"),
            ("engine__", r"no attribute 'engine__' \('' is not one"),
            ("bind", "no attribute 'bind'"),
        ],
    )
    def test_an_unknown_keyword_is_named(self, keyword, message):
        with pytest.raises(TypeError, match=message):
            Car(**{keyword: 1})

    def test_a_path_through_what_cannot_be_made(self):
        with pytest.raises(BindingError, match=r"Car\.anything is None and cannot be made"):
            Car(anything__deep=1)

    def test_subclasses_add_and_replace(self):
        truck = Truck(load=3)
        assert truck.wheels == 6
        assert list(Truck.deep_attributes) == [*Car.deep_attributes, "load"]

    def test_names_that_cannot_be(self):
        with pytest.raises(TypeError, match="joins the names"):
            type("Bad", (DeepClass,), {"a__b": Attribute()})
        with pytest.raises(TypeError, match="has that name already"):
            type("Bad", (DeepClass,), {"copy": Attribute()})
        with pytest.raises(TypeError, match="not both"):
            Attribute(list, default=[], factory=list)
        with pytest.raises(TypeError, match="no parse"):
            Attribute(str, parse=int)


class TestSetting:
    def test_refusals_change_nothing(self):
        car = Car(name="beetle", engine="vw/30", wheels=4)
        before = car.copy()
        with pytest.raises(TypeError, match=r"Car\.name takes a str, not 5"):
            car.name = 5
        with pytest.raises(TypeError, match=r"Car\.engine takes an Engine or text that is one"):
            car.engine = Car()
        with pytest.raises(ValueError, match="3 is odd"):
            car.wheels = 3
        with pytest.raises(TypeError, match=r"Car\.wheels cannot be 'x': not an int"):
            car.wheels = "x"
        with pytest.raises(TypeError, match=r"Car\.wheels takes a value other than None"):
            car.wheels = None
        with pytest.raises(ParseError, match="a power"):
            car.engine = "vw/"
        assert car == before

    def test_none_clears_what_may_be_none(self):
        car = Car(engine="vw/30")
        car.engine = None
        assert car.engine is None

    def test_deleting_gives_the_default_back(self):
        car = Car(wheels=8)
        del car.wheels
        assert car.wheels == 4

    def test_a_refused_deep_value_makes_nothing(self):
        garage = Garage()
        with pytest.raises(ParseError):
            Delegate("car.engine").__set__(garage, "?")
        assert garage.car is None

    def test_another_reader_of_text(self):
        class Reader:
            @staticmethod
            def parse(text: str | bytes) -> int:
                return len(text)

        class Length(DeepClass):
            size = Attribute(int, parse=Reader)

        assert Length(size="four").size == 4

    def test_attributes_can_be_bound(self):
        car = Car(name="beetle")
        car.bind("name", "engine.maker")
        assert car.engine.maker == "beetle"
        car.bind("engine.power", "spare", str)
        car.engine = "vw/34"
        # The new engine gets the name; its power goes over.
        assert (car.engine.maker, car.spare) == ("beetle", "34")


class TestEquality:
    def test_by_value(self):
        assert Car(engine__power=3) == Car(power=3)
        assert Car(engine__power=3) != Car(power=4)
        assert Car() != Car(engine=Engine())
        assert Engine() != Car()
        assert Car() != Truck()

    def test_a_default_is_a_value(self):
        assert Car(wheels=4) == Car()
        assert Car(tags=[]) == Car()

    def test_no_hash(self):
        with pytest.raises(TypeError, match="unhashable"):
            hash(Car())


class TestRepr:
    def test_in_the_order_declared(self):
        assert (
            repr(Car(engine__maker="vw"))
            == "Car(name=None, engine=Engine(maker='vw', power=50), wheels=4, tags=[])"
        )

    def test_hidden_defaults_show_when_set(self):
        assert repr(Car(spare="x", anything=0)).endswith("tags=[], spare='x', anything=0)")

    def test_it_can_be_read_back(self):
        garage = Garage(car__engine__maker="vw", car__tags=["a"])
        assert eval(repr(garage)) == garage

    def test_a_circle(self):
        car = Car()
        car.anything = car
        assert repr(car) == "Car(name=None, engine=None, wheels=4, tags=[], anything=...)"


COPIES = {
    "copy()": lambda car: car.copy(),
    "deepcopy": copy.deepcopy,
    "pickle": lambda car: pickle.loads(pickle.dumps(car)),
}


class TestCopies:
    @pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
    def test_a_copy_is_equal_and_apart(self, copied):
        car = Car(name="a", engine="vw/1", tags=["x"])
        twin = copied(car)
        assert twin == car
        twin.engine.power = 2
        twin.tags.append("y")
        assert (car.engine.power, car.tags) == (1, ["x"])

    def test_bindings_go_along(self):
        car = Car(name="a")
        car.bind("name", "engine.maker")
        twin = car.copy()
        twin.name = "b"
        assert (twin.engine.maker, car.engine.maker) == ("b", "a")

    def test_a_shallow_copy_shares(self):
        car = Car(engine="vw/1")
        assert copy.copy(car).engine is car.engine

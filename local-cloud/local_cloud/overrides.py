"""How a part of moto is replaced: by name, once, and loudly when the name is gone."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import moto
from moto.moto_api import state_manager

TESTED_MOTO = "5.2.5"

Function = TypeVar("Function", bound=Callable[..., Any])


class MotoChangedError(RuntimeError):
    """A part of moto that is overridden here no longer exists."""


def replaces(owner: Any, name: str) -> Callable[[Function], Function]:
    """Puts the decorated function in the place of `owner.name`; `owner` is a class or a module.

    # Errors
    MotoChangedError when there is nothing of that name to replace.
    """
    if not hasattr(owner, name):
        raise MotoChangedError(
            f"{owner.__name__}.{name} does not exist in moto {moto.__version__}; "
            f"the local cloud was tested with moto {TESTED_MOTO}"
        )

    def put(function: Function) -> Function:
        setattr(owner, name, function)
        return function

    return put


def wraps(owner: Any, name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Like [`replaces`]; the decorated function is given what stood there as its first argument."""
    put_there = replaces(owner, name)
    is_class_method = isinstance(owner, type) and isinstance(owner.__dict__.get(name), classmethod)
    before = owner.__dict__[name].__func__ if is_class_method else getattr(owner, name)

    def put(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            return function(before, *args, **kwargs)

        replacement: Any = classmethod(wrapper) if is_class_method else wrapper
        put_there(replacement)
        return wrapper

    return put


def hold_still(model_name: str) -> None:
    """Keeps moto from moving a job or crawl on by itself, by time or by being asked."""
    state_manager.set_transition(model_name, {"progression": "manual", "times": 1 << 62})

"""What carries a plan out: this process, workers of this machine, or a Ray cluster. It is chosen here and nowhere else."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from dropbench.errors import UsageError
from dropbench.execute.agenda import Agenda
from dropbench.execute.cohort import Broken, Listener, carry_out
from dropbench.execute.pool import Pool
from dropbench.hardware import device as devices
from dropbench.process.stop import Stop
from dropbench.process.workers import alone
from dropbench.settings import RAY, Settings

if TYPE_CHECKING:
    from dropbench.engine.result import RunResult


@dataclass(frozen=True)
class Place:
    """What there is to train with.

    Attributes
    ----------
    device : str
        As torch names it, or several of this machine: `cuda:0,cuda:1`.
    workers : int
        Cohorts that train at once.
    sharing : int
        How many of the workers share a device and its memory, or a machine where the device is a CPU.
    """

    device: str
    workers: int
    sharing: int


class Executor(Protocol):
    """Trains what an agenda has."""

    def outcomes(self) -> Generator[RunResult | Broken | None]:
        """Yields each run as soon as it is finished, what is left of a cohort that broke off, and None now and then.

        Closing it ends all that trains. Raises KeyboardInterrupt, once what is in training is saved, where this process is to
        stop.
        """


def place(settings: Settings) -> Place:
    """Where these settings have runs trained.

    Raises
    ------
    UsageError
        For a device that is not there, and for a cluster that is not.
    """
    if settings.execute.name == RAY:
        from dropbench.execute.ray_cluster import room

        return Place(*room(settings))
    device = devices.resolve_device(settings.device)
    workers = devices.resolve_workers(settings, device)
    return Place(device, workers, devices.sharing(device, workers))


def here(settings: Settings) -> str:
    """The one device of this machine on which something is to be computed that no worker does.

    Raises UsageError for one that is not here.
    """
    elsewhere = settings.execute.name == RAY
    return devices.each(devices.resolve_device("auto" if elsewhere else settings.device))[0]


def executor(
    agenda: Agenda, apart: bool, settings: Settings, device: str, workers: int, listen: Listener, stop: Stop
) -> Executor:
    """Whichever is to train what an agenda has.

    Parameters
    ----------
    agenda : Agenda
        What is to be trained.
    apart : bool
        Whether in other processes than this one.
    settings : Settings
        Those of the plan.
    device, workers
        As `place` says.
    listen : Listener
        Hears of epochs, and what there is to say.
    stop : Stop
        Whether this process is to stop.

    Raises
    ------
    UsageError
        Where only this process knows what is to be trained, and another is to train it.
    """
    if settings.execute.name == RAY:
        if alone():
            raise UsageError(
                "a network that only this process knows cannot be sent to a cluster: put it into a module, or use execute=local"
            )
        from dropbench.execute.on_ray import OnRay

        return OnRay(agenda, settings, device, workers, listen, stop)
    if apart and not alone():
        return Pool(agenda, settings, device, workers, listen, stop)
    return _ThisProcess(agenda, settings, devices.each(device)[0], listen, stop)


class _ThisProcess:
    """Trains one cohort after the other here."""

    def __init__(self, agenda: Agenda, settings: Settings, device: str, listen: Listener, stop: Stop) -> None:
        self._agenda, self._settings, self._device, self._listen, self._stop = agenda, settings, device, listen, stop

    def outcomes(self) -> Generator[RunResult | Broken | None]:
        while self._agenda.left:
            if self._stop():
                raise KeyboardInterrupt
            cohort = self._agenda.next()
            yield None
            if cohort is not None:
                yield from carry_out(cohort, self._settings, self._device, self._listen, self._stop)
            elif self._agenda.left:
                self._stop.wait(self._agenda.pause())

"""Chooses the executor of a plan: this process, worker processes of this machine, or a Ray cluster. Only this module does."""

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
    """The device and the workers that runs are trained with.

    Attributes
    ----------
    device : str
        The device by torch's name, or several devices of this machine: `cuda:0,cuda:1`.
    workers : int
        The number of cohorts that train at once.
    sharing : int
        How many of the workers share a device and its memory; for a CPU, a machine.
    """

    device: str
    workers: int
    sharing: int


class Executor(Protocol):
    """Trains the cohorts of an agenda."""

    def outcomes(self) -> Generator[RunResult | Broken | None]:
        """Yields each run as soon as it is finished, what is left of a cohort that broke off, and None now and then.

        Closing the generator ends all training. If this process is to stop, it saves what is in training and then raises
        KeyboardInterrupt.
        """


def place(settings: Settings) -> Place:
    """Returns where runs are trained according to these settings.

    Raises
    ------
    UsageError
        If the device or the cluster does not exist.
    """
    if settings.execute.name == RAY:
        from dropbench.execute.ray_cluster import room

        return Place(*room(settings))
    device = devices.resolve_device(settings.device)
    workers = devices.resolve_workers(settings, device)
    return Place(device, workers, devices.sharing(device, workers))


def here(settings: Settings) -> str:
    """Returns the device of this machine for computations that no worker does.

    Raises UsageError if the machine has no such device.
    """
    elsewhere = settings.execute.name == RAY
    return devices.each(devices.resolve_device("auto" if elsewhere else settings.device))[0]


def executor(
    agenda: Agenda, apart: bool, settings: Settings, device: str, workers: int, listen: Listener, stop: Stop
) -> Executor:
    """Returns the executor for the cohorts of an agenda.

    Parameters
    ----------
    agenda : Agenda
        The cohorts to train.
    apart : bool
        Whether to train in other processes than this one.
    settings : Settings
        The plan's settings.
    device, workers
        As in the result of `place`.
    listen : Listener
        Called with epochs, retries and notes.
    stop : Stop
        Whether this process is to stop.

    Raises
    ------
    UsageError
        If other machines are to train a network that only this process knows.
    """
    if settings.execute.name == RAY:
        if alone():
            raise UsageError(
                "this network is defined in this process only and cannot be sent to a cluster: define it in a module, or use "
                "execute=local"
            )
        from dropbench.execute.on_ray import OnRay

        return OnRay(agenda, settings, device, workers, listen, stop)
    if apart and not alone():
        return Pool(agenda, settings, device, workers, listen, stop)
    return _ThisProcess(agenda, settings, devices.each(device)[0], listen, stop)


class _ThisProcess:
    """Trains one cohort after the other in this process."""

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

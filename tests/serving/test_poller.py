from threading import Event

from serving.poller import Poller


def test_a_poke_is_a_look_before_its_time() -> None:
    looks: list[int] = []
    seen = [Event(), Event()]

    def look() -> None:
        looks.append(1)
        seen[len(looks) - 1].set()

    poller = Poller("test", look, seconds=3_600)
    poller.start()
    assert seen[0].wait(30)
    poller.poke()
    assert seen[1].wait(30)
    poller.stop(30)
    assert not poller._thread.is_alive()


def test_a_look_that_fails_is_not_the_last() -> None:
    failed = Event()
    again = Event()

    def look() -> None:
        if failed.is_set():
            again.set()
        failed.set()
        raise ValueError

    poller = Poller("test", look, seconds=0.001)
    poller.start()
    assert again.wait(30)
    poller.stop(30)

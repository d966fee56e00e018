"""Places are given in the order of asking, and none is lost."""

import asyncio

from medspace.adapters.sql.semaphore import FifoSemaphore


async def settle():
    for _ in range(5):
        await asyncio.sleep(0)


async def test_who_comes_first_goes_first_and_never_more_than_there_are_places():
    places, inside, order = FifoSemaphore(2), set(), []

    async def visit(name):
        async with places:
            inside.add(name)
            assert len(inside) <= 2
            order.append(name)
            await asyncio.sleep(0)
            inside.remove(name)

    await asyncio.gather(*(visit(number) for number in range(50)))
    assert order == list(range(50))


async def test_a_cancelled_visitor_leaves_its_place_to_the_next():
    places, door, done = FifoSemaphore(1), asyncio.Event(), []

    async def visit(name):
        async with places:
            await door.wait()
            done.append(name)

    tasks = [asyncio.create_task(visit(name)) for name in "abcd"]
    await settle()
    tasks[1].cancel()  # waits in line
    await settle()
    door.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert done == ["a", "c", "d"]


async def test_a_place_given_in_the_instant_of_a_cancellation_is_passed_on():
    places = FifoSemaphore(1)
    await places.__aenter__()
    second, third = (asyncio.create_task(places.__aenter__()) for _ in range(2))
    await settle()
    await places.__aexit__()  # gives the place to the second, which has not run yet
    second.cancel()
    await asyncio.wait_for(third, 1)
    await places.__aexit__()
    assert second.cancelled()
    await asyncio.wait_for(places.__aenter__(), 1)

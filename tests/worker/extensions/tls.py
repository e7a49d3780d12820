# SPDX-License-Identifier: MIT
"""asyncio's TLS, which is there as soon as somebody looks at it."""

import asyncio
import sys
import threading

lazy = type(sys.modules["ssl"]).__name__


async def unused():
    """What asyncio does without it."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "print(1)", stdout=-1)
    printed, _ = await process.communicate()
    import ssl

    return [printed.decode().strip(), lazy, type(ssl).__name__, ssl.__name__, "_ssl" in sys.modules]


async def many_look():
    """Threads that look into it at the same moment all find it whole."""
    import ssl

    barrier = threading.Barrier(8)
    found = []

    def look():
        barrier.wait()
        found.append(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).check_hostname)

    threads = [threading.Thread(target=look) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [found.count(True), type(ssl).__name__, "_ssl" in sys.modules]


async def set_in_it():
    """As those do who replace what they do not like."""
    import ssl

    ssl.own = "own"
    return [type(ssl).__name__, ssl.own, ssl.SSLError.__mro__[1].__name__]


def make_context(ssl, protocol):
    """Nobody shows a certificate."""
    context = ssl.SSLContext(protocol)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("aNULL:@SECLEVEL=0")
    return context


async def talk(text):
    import ssl

    async def answer(reader, writer):
        writer.write((await reader.readline()).upper())
        writer.close()

    server = await asyncio.start_server(
        answer, "127.0.0.1", 0, ssl=make_context(ssl, ssl.PROTOCOL_TLS_SERVER)
    )
    reader, writer = await asyncio.open_connection(
        *server.sockets[0].getsockname(), ssl=make_context(ssl, ssl.PROTOCOL_TLS_CLIENT)
    )
    writer.write(text.encode() + b"\n")
    answered = await reader.readline()
    writer.close()
    server.close()
    return answered.decode().strip()

#!/usr/bin/python3
"""Servers and clients for the captures of make_http.sh, with Debian's python3-grpcio and python3-websockets: peers.py ROLE PORT [DIRECTORY].

A server prints `ready` once it listens, and runs until it is ended; a client says what it has to say and leaves. Everything is fixed, so that a capture made again says the same."""
import asyncio
import os
import socket
import sys


def receive_responses(connection, count):
    """Reads so many responses, each with a Content-Length or without a body."""
    data = b""
    for _ in range(count):
        while b"\r\n\r\n" not in data:
            data += connection.recv(65536)
        head, data = data.split(b"\r\n\r\n", 1)
        length = 0
        for line in head.split(b"\r\n")[1:]:
            name, value = line.split(b":", 1)
            if name.lower() == b"content-length":
                length = int(value)
        while len(data) < length:
            data += connection.recv(65536)
        data = data[length:]


def pipeline(port):
    """Several requests in one segment, one of them in two, and chunks with trailers."""
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    get = "GET /pipelined?number={} HTTP/1.1\r\nHost: pipeline.example\r\n\r\n"
    connection.sendall("".join(get.format(i) for i in range(4)).encode())
    receive_responses(connection, 4)
    last = get.format(4).encode()
    connection.sendall(get.format(5).encode() + last[:20])
    connection.sendall(last[20:])
    receive_responses(connection, 2)
    connection.sendall(b"POST /chunks HTTP/1.1\r\nHost: pipeline.example\r\nTransfer-Encoding: chunked\r\nContent-Type: text/plain\r\nTrailer: X-Sum\r\n\r\n"
                       b"6;name=value\r\nchunk \r\n3\r\none\r\n0\r\nX-Sum: 1\r\n\r\n")
    receive_responses(connection, 1)
    connection.close()


def grpc_server(port):
    from concurrent import futures
    import grpc

    def say_hello(request, context):
        if request == b"nobody":
            context.abort(grpc.StatusCode.NOT_FOUND, "nobody is called \u201cnobody\u201d: 100%")
        if request == b"crash":
            raise RuntimeError("crash")
        if request == b"slow":
            import time
            time.sleep(2)
        context.set_trailing_metadata((("x-served-by", "one"),))
        return b"hello, " + request

    def count(request, context):
        for i in range(int(request)):
            yield b"n" * i

    def collect(requests, context):
        return str(sum(len(r) for r in requests)).encode()

    def chat(requests, context):
        for request in requests:
            yield request.upper()

    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("shop.v1.Greeter", {
        "SayHello": grpc.unary_unary_rpc_method_handler(say_hello),
        "Count": grpc.unary_stream_rpc_method_handler(count),
        "Collect": grpc.stream_unary_rpc_method_handler(collect),
        "Chat": grpc.stream_stream_rpc_method_handler(chat),
    }),))
    server.add_insecure_port("127.0.0.1:%d" % port)
    server.start()
    print("ready", flush=True)
    server.wait_for_termination()


def grpc_client(port):
    import grpc

    def status(call):
        try:
            call()
        except grpc.RpcError as error:
            return error.code()
        return grpc.StatusCode.OK

    with grpc.insecure_channel("127.0.0.1:%d" % port) as channel:
        hello = channel.unary_unary("/shop.v1.Greeter/SayHello")
        metadata = (("authorization", "Bearer secret-token"), ("x-request-id", "42"))
        print(status(lambda: hello(b"world", metadata=metadata)))
        print(status(lambda: hello(b"world", metadata=metadata)))
        print(status(lambda: hello(b"nobody")))
        print(status(lambda: hello(b"crash")))
        print(status(lambda: hello(b"slow", timeout=0.3)))
        print(status(lambda: list(channel.unary_stream("/shop.v1.Greeter/Count")(b"5"))))
        print(status(lambda: channel.stream_unary("/shop.v1.Greeter/Collect")(iter([b"a" * 10, b"", b"b" * 30000]))))
        print(status(lambda: list(channel.stream_stream("/shop.v1.Greeter/Chat")(iter([b"one", b"two"])))))
        print(status(lambda: channel.unary_unary("/shop.v1.Greeter/Nothing")(b"x")))


def websocket_server(port):
    import websockets

    async def answer(connection):
        async for message in connection:
            await connection.send(message.upper() if isinstance(message, str) else message[::-1])

    async def serve():
        async with websockets.serve(answer, "127.0.0.1", port):
            print("ready", flush=True)
            await asyncio.Future()

    asyncio.run(serve())


def websocket_client(port):
    import websockets

    async def talk(compression):
        async with websockets.connect("ws://127.0.0.1:%d/chat?room=1" % port, compression=compression, extra_headers={"Cookie": "session=1"}) as connection:
            for message in ("hello", "hello again, hello again", "\u00e4\u00f6\u00fc", b"\x00\x01\x02\xff", "x" * 300, ""):
                await connection.send(message)
                await connection.recv()
            await connection.send(iter(("in ", "three ", "pieces")))
            await connection.recv()
            await (await connection.ping(b"ping"))
            await connection.close(1000, "enough")

    asyncio.run(talk("deflate"))
    asyncio.run(talk(None))


if __name__ == "__main__":
    os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
    roles = {role.__name__: role for role in (pipeline, grpc_server, grpc_client, websocket_server, websocket_client)}
    roles[sys.argv[1]](int(sys.argv[2]))

"""Colours a file through TensorFlow Serving, over REST or gRPC.

    python examples/serving_client.py photo.jpg photo-color.png
    python examples/serving_client.py photo.jpg photo-color.png --protocol=grpc --address=localhost:8500 --vividness=0.8

Needs requests, or grpcio and tensorflow-serving-api; nothing of the colorizer.
"""

import argparse
import base64
import pathlib
import sys


def over_rest(address, model, image_bytes, vividness, timeout):
    """The PNG that a server answers with, b"" where it could not read the picture."""
    import requests

    row = {"image_bytes": {"b64": base64.b64encode(image_bytes).decode()}}
    body = {"instances": [row], "signature_name": "colorize_bytes"}
    if vividness is not None:
        row["vividness"] = vividness
        body["signature_name"] = "colorize_bytes_vivid"
    url = f"http://{address}/v1/models/{model}:predict"
    try:
        answer = requests.post(url, json=body, timeout=timeout)
    except requests.RequestException as error:
        sys.exit(f"{url}: no answer ({type(error).__name__}); is the server running, and 8501 its REST port?")
    try:
        said = answer.json()
        if answer.ok:
            return base64.b64decode(said["predictions"][0]["b64"])
        reason = said["error"]
    except (ValueError, KeyError, TypeError, IndexError):
        reason = f"HTTP {answer.status_code}: no answer of TensorFlow Serving"
    sys.exit(f"{url}: {reason}")


def over_grpc(address, model, image_bytes, vividness, timeout):
    """The same over gRPC."""
    import grpc
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

    request = predict_pb2.PredictRequest()
    request.model_spec.name = model
    request.model_spec.signature_name = "colorize_bytes" if vividness is None else "colorize_bytes_vivid"
    request.inputs["image_bytes"].CopyFrom(tf.make_tensor_proto([image_bytes]))
    if vividness is not None:
        request.inputs["vividness"].CopyFrom(tf.make_tensor_proto([vividness], tf.float32))
    # a photograph is larger than the 4 MB that gRPC takes by default
    unlimited = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
    with grpc.insecure_channel(address, options=unlimited) as channel:
        try:
            answer = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request, timeout=timeout)
        except grpc.RpcError as error:
            sys.exit(f"{address}: {error.details()} ({error.code().name}); is the server running, and 8500 its gRPC port?")
    return tf.make_ndarray(answer.outputs["image_bytes"])[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("input", type=pathlib.Path, help="a JPEG, PNG, BMP, GIF or WebP file")
    parser.add_argument("output", type=pathlib.Path, help="the PNG file to write")
    parser.add_argument("--protocol", choices=("rest", "grpc"), default="rest")
    parser.add_argument("--address", help="host:port; unset: localhost at 8501 (rest), 8500 (grpc)")
    parser.add_argument("--model", default="colorizer", help="what the server calls it")
    parser.add_argument("--vividness", type=float, help="0 (most accurate) to 1 (as colourful as nature); unset: the model's own")
    parser.add_argument("--timeout", type=float, default=60, help="seconds")
    arguments = parser.parse_args()
    ask, port = {"rest": (over_rest, 8501), "grpc": (over_grpc, 8500)}[arguments.protocol]
    try:
        image_bytes = arguments.input.read_bytes()
        png = ask(arguments.address or f"localhost:{port}", arguments.model, image_bytes, arguments.vividness, arguments.timeout)
        if not png:
            sys.exit(f"{arguments.input}: the server could not read it, or it has too many pixels")
        aside = arguments.output.with_name(f".{arguments.output.name}.part")
        aside.write_bytes(png)
        aside.replace(arguments.output)
    except OSError as error:
        sys.exit(f"{error.filename or arguments.output}: {error.strerror}")


if __name__ == "__main__":
    main()

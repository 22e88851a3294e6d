"""Encoded batches to where the environment says they go. Each way is a `Delivery`: bytes of an OTLP message in, and out
comes a `Rejection` where it did not arrive.

http ............ OTLP over HTTP, as protobuf or JSON
grpc ............ OTLP over gRPC, where its package is installed
console ......... a line of OTLP/JSON on stdout
json_encoding ... an OTLP message as JSON
retries ......... tries again what may pass, within a time limit
reasons ......... why it failed, in words that name no content
"""

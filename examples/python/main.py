"""Asks a running pim-authz a question, a batch and a list, sends a bad request, and gives up at a
deadline: `python3 main.py [ADDRESS]`."""
import sys

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from pim.authz.v1 import authorization_service_pb2 as authz
from pim.authz.v1 import authorization_service_pb2_grpc as services
from pim.authz.v1.decision_pb2 import EditMode
from pim.authz.v1.listing_pb2 import StreamAllowedRequest
from pim.authz.v1.question_pb2 import Resource, Subject

mary, product = Subject(type="user", id="mary"), Resource(type="product", id="SS-SP32FWB")

with grpc.insecure_channel([*sys.argv, "127.0.0.1:50051"][1]) as channel:
    client = services.AuthorizationServiceStub(channel)

    answer = client.Check(authz.CheckRequest(subject=mary, action="edit", resource=product), timeout=5)
    print("check: edit", answer.allowed, EditMode.Name(answer.edit_mode))

    items = [authz.CheckItem(action=action) for action in ("view", "own", "fly")]
    batch = client.BatchCheck(authz.BatchCheckRequest(subject=mary, resource=product, items=items), timeout=5)
    for item, result in zip(items, batch.results):  # an item has a decision, or an error of its own
        print("batch:", item.action, result.decision.allowed, result.error.message)

    ended = False
    request = StreamAllowedRequest(subject=mary, action="edit", resource_type="product")
    for part in client.StreamAllowed(request, timeout=5):
        for resource in part.batch.resources:
            print("stream:", resource.id)
        ended = part.HasField("end")
    assert ended, "a list without its end is not whole"

    try:
        client.Check(authz.CheckRequest(subject=mary, action="fly", resource=product), timeout=5)
    except grpc.RpcError as error:
        for detail in rpc_status.from_call(error).details:
            bad = error_details_pb2.BadRequest()
            if detail.Unpack(bad):
                print("bad request:", bad.field_violations[0].field, "-", bad.field_violations[0].description)

    try:
        request = authz.CheckRequest(subject=mary, action="edit", resource=product, minimum_revision=1_000_000)
        client.Check(request, timeout=0.2)
    except grpc.RpcError as error:
        print("deadline:", error.code().name)

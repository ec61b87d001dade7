"""Writes the heaviest call of each kind as the bytes of a gRPC request, for scripts/measure-abuse:

    heavy_calls.py STUBS DIRECTORY CATEGORIES

Each NAME.request in DIRECTORY is the body of a call to the path in NAME.path. The calls name the
tenant `big`, which has CATEGORIES categories, 300 user groups and the user `many_groups`."""
import pathlib
import struct
import sys

stubs, directory, categories = sys.argv[1], pathlib.Path(sys.argv[2]), int(sys.argv[3])
sys.path.insert(0, stubs)

from pim.authz.v1 import access_grant_pb2 as rights_of  # noqa: E402
from pim.authz.v1 import access_rights_service_pb2 as rights  # noqa: E402
from pim.authz.v1 import authorization_service_pb2 as authz  # noqa: E402
from pim.authz.v1 import catalog_pb2 as catalog  # noqa: E402
from pim.authz.v1 import catalog_service_pb2 as catalogs  # noqa: E402
from pim.authz.v1 import import_service_pb2 as imports  # noqa: E402
from pim.authz.v1 import item_pb2 as items  # noqa: E402
from pim.authz.v1 import listing_pb2 as listing  # noqa: E402
from pim.authz.v1 import operations_service_pb2 as operations  # noqa: E402
from pim.authz.v1 import question_pb2 as question  # noqa: E402

TENANT, ACTOR = "big", "user:admin"
WRITE = {"tenant": TENANT, "actor": ACTOR, "dry_run": True}


def call(name, path, *messages):
    """Writes one call, with the messages that it sends."""
    encoded = [message.SerializeToString() for message in messages]
    body = b"".join(b"\0" + struct.pack(">I", len(message)) + message for message in encoded)
    (directory / f"{name}.request").write_bytes(body)
    (directory / f"{name}.path").write_text(f"pim.authz.v1.{path}")


def user(code):
    return question.Subject(type="user", id=code)


def described(count):
    """A product described with many categories."""
    codes = [f"cat_{number}" for number in range(1, min(count, categories) + 1)]
    return question.Resource(type="product", categories=question.CategoryList(codes=codes))


call("dry_run_of_a_locale", "CatalogService/PutLocales",
     catalogs.PutLocalesRequest(**WRITE, locales=[catalog.Locale(code="xx_XX")]))
call("stream_of_single_products", "AuthorizationService/StreamAllowed",
     listing.StreamAllowedRequest(tenant=TENANT, subject=user("many_groups"), action="view", resource_type="product",
                                  batch_size=1))
call("batch_of_100000", "AuthorizationService/BatchCheck",
     authz.BatchCheckRequest(tenant=TENANT, subject=user("many_groups"), action="view",
                             resource=question.Resource(type="product", id="x" * 250), items=[authz.CheckItem()] * 100_000))
call("batch_at_a_future_revision", "AuthorizationService/BatchCheck",
     authz.BatchCheckRequest(tenant=TENANT, subject=user("many_groups"), action="view", minimum_revision=2**60, items=[
         authz.CheckItem(resource=question.Resource(type="product", id=f"sku_{number}")) for number in range(50_000)]))
call("actions_on_10000_categories", "AuthorizationService/ListActions",
     authz.ListActionsRequest(tenant=TENANT, subject=user("many_groups"), resource=described(10_000)))
call("subjects_of_10000_categories", "AuthorizationService/ListSubjects",
     listing.ListSubjectsRequest(tenant=TENANT, action="edit", resource=described(10_000), page_size=1_000))
call("batch_that_inherits_10000", "AuthorizationService/BatchCheck",
     authz.BatchCheckRequest(tenant=TENANT, subject=user("many_groups"), resource=described(10_000), items=[
         authz.CheckItem(action=action) for action in ("view", "edit", "own") * 33]))
call("explanation_of_10000", "AuthorizationService/Explain",
     authz.ExplainRequest(tenant=TENANT, subject=user("many_groups"), action="edit", resource=described(10_000)))
call("chain_of_10000_categories", "CatalogService/PutCategories",
     catalogs.PutCategoriesRequest(**WRITE, categories=[
         catalog.Category(code=f"chain_{number}", parent=f"chain_{number - 1}" if number else "cat_1") for number in range(10_000)]))
call("removal_of_all_categories", "CatalogService/DeleteCategories",
     catalogs.DeleteCategoriesRequest(**WRITE, codes=["cat_1"], cascade=True))
call("grants_on_10000_categories", "AccessRightsService/GrantAccess",
     rights.GrantAccessRequest(**WRITE, grants=[
         rights_of.AccessGrant(group=f"group_{number % 300 + 1}", item=items.Item(type="category", id=f"cat_{number % categories + 1}"),
                               level=items.LEVEL_OWN) for number in range(10_000)]))
call("verification_of_the_audit_log", "OperationsService/VerifyAudit",
     operations.VerifyAuditRequest(tenant=TENANT, facts=True))
header = imports.ImportHeader(tenant=TENANT, actor=ACTOR, dry_run=True)
for name, file, head, row, rows in [
        ("import_of_40000_orphans", "categories.csv", "code;parent\n", "orphan_{};missing\n", 40_000),
        ("import_of_a_million_users", "users.csv", "username;roles;groups\n", "user_number_{}_of_a_big_company;;All\n", 1_000_000),
        ("import_of_3_million_rights", "product_category_accesses.csv", "category;view_items;edit_items;own_items\n",
         "cat_{};" + ",".join(f"group_{group}" for group in range(1, 201)) + ";;\n", min(categories, 15_000))]:
    content = (head + "".join(row.format(number) for number in range(1, rows + 1))).encode()
    pieces = [content[at:at + 65_536] for at in range(0, len(content), 65_536)]
    call(name, "ImportService/ImportCatalog", imports.ImportCatalogRequest(header=header),
         *(imports.ImportCatalogRequest(piece=imports.FilePiece(file=file, content=piece)) for piece in pieces))

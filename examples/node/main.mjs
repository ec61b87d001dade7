// Calls a running pim-authz without generated code, by the Connect protocol or by gRPC-Web:
// `node main.mjs URL DESCRIPTORS [connect|connect-binary|grpc-web] [1.1|2]`, after `buf build -o DESCRIPTORS`.
import { readFileSync } from "node:fs";
import { createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-node";

const [baseUrl, descriptors, protocol = "connect", httpVersion = "1.1"] = process.argv.slice(2);
const types = createFileRegistry(fromBinary(FileDescriptorSetSchema, readFileSync(descriptors)));
const token = process.env.PIM_AUTHZ_TOKEN;
const authorize = (next) => (request) => {
  if (token) request.header.set("Authorization", `Bearer ${token}`);
  return next(request);
};
const options = {
  baseUrl, httpVersion, interceptors: [authorize],
  useBinaryFormat: protocol !== "connect",
  jsonOptions: { registry: types }, // for the error details in a batch's results
};
const transport = protocol === "grpc-web" ? createGrpcWebTransport(options) : createConnectTransport(options);
const client = createClient(types.getService("pim.authz.v1.AuthorizationService"), transport);
const subject = { type: "user", id: "mary" };

const reasons = types.getEnum("pim.authz.v1.ReasonCode").value;
for (const action of ["edit", "own"]) {
  const question = { subject, action, resource: { type: "product", id: "SS-SP32FWB" } };
  const { allowed, reason } = await client.check(question, { timeoutMs: 5000 });
  console.log("check:", action, allowed, ...(reason ? [reasons[reason.code].name] : []));
}

try {
  await client.check({ action: "view" }, { timeoutMs: 5000 }); // the subject is missing
} catch (thrown) {
  const error = ConnectError.from(thrown);
  const [badRequest] = error.findDetails(types.getMessage("google.rpc.BadRequest"));
  console.log("bad request:", Code[error.code], "-", badRequest?.fieldViolations[0].field, "-", error.rawMessage);
}

let end;
const list = { subject, action: "view", resourceType: "product", idsOnly: true };
for await (const { event } of client.streamAllowed(list, { timeoutMs: 5000 })) {
  if (event.case === "batch") console.log("stream:", ...event.value.ids);
  if (event.case === "end") end = event.value;
}
if (!end) throw new Error("a list without its end is not whole");
console.log("end:", String(end.count));

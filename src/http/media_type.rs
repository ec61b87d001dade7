use tonic::codegen::http::{HeaderMap, header::CONTENT_TYPE};

/// The content type of a request, as far as it selects a protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MediaType {
    /// `application/grpc`, in protobuf.
    Grpc,
    /// `application/grpc-web`, in protobuf.
    GrpcWeb,
    /// `application/grpc-web-text`: the same in base64.
    GrpcWebText,
    /// `application/json` in UTF-8.
    Json,
    /// `application/proto`.
    Proto,
    /// `application/connect+json`.
    ConnectJson,
    /// `application/connect+proto`.
    ConnectProto,
    /// Any other, or none.
    Other,
}

/// The content types by their names.
const NAMES: [(&str, MediaType); 10] = [
    ("application/grpc", MediaType::Grpc),
    ("application/grpc+proto", MediaType::Grpc),
    ("application/json", MediaType::Json),
    ("application/proto", MediaType::Proto),
    ("application/connect+json", MediaType::ConnectJson),
    ("application/connect+proto", MediaType::ConnectProto),
    (GRPC_WEB, MediaType::GrpcWeb),
    ("application/grpc-web+proto", MediaType::GrpcWeb),
    (GRPC_WEB_TEXT, MediaType::GrpcWebText),
    ("application/grpc-web-text+proto", MediaType::GrpcWebText),
];

/// The content type of gRPC-Web.
pub(super) const GRPC_WEB: &str = "application/grpc-web";

/// The content type of gRPC-Web in base64.
pub(super) const GRPC_WEB_TEXT: &str = "application/grpc-web-text";

impl MediaType {
    /// Reads the content type of a request.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let text = headers.get(CONTENT_TYPE);
        let text = text.and_then(|text| text.to_str().ok()).unwrap_or_default();
        let (name, parameters) = text.split_once(';').unwrap_or((text, ""));
        let name = name.trim();
        let mut named = NAMES
            .iter()
            .filter(|(known, _)| known.eq_ignore_ascii_case(name));
        match named.next() {
            Some((_, kind)) if is_utf8(parameters) => *kind,
            Some(_) | None => Self::Other,
        }
    }
}

/// True unless the parameters name another charset.
fn is_utf8(parameters: &str) -> bool {
    parameters.split(';').all(|parameter| {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let value = value.trim().trim_matches('"');
        !name.trim().eq_ignore_ascii_case("charset") || value.eq_ignore_ascii_case("utf-8")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_type_selects_the_protocol() {
        let cases = [
            ("application/grpc", MediaType::Grpc),
            ("application/grpc+proto", MediaType::Grpc),
            ("application/grpc-web+proto", MediaType::GrpcWeb),
            ("application/grpc-web-text", MediaType::GrpcWebText),
            ("Application/gRPC-Web; charset=utf-8", MediaType::GrpcWeb),
            ("application/grpc+json", MediaType::Other),
            ("application/grpc-web+json", MediaType::Other),
            ("application/grpcx", MediaType::Other),
            ("application/json", MediaType::Json),
            ("Application/JSON; charset=UTF-8", MediaType::Json),
            ("application/json;charset=\"utf-8\"", MediaType::Json),
            ("application/json; charset=latin1", MediaType::Other),
            ("application/proto", MediaType::Proto),
            ("application/connect+json", MediaType::ConnectJson),
            ("application/connect+proto", MediaType::ConnectProto),
            ("text/plain", MediaType::Other),
            ("", MediaType::Other),
        ];
        for (text, expected) in cases {
            let headers = [(CONTENT_TYPE, text.parse().unwrap())];
            let headers = headers.into_iter().collect();
            assert_eq!(MediaType::of(&headers), expected, "{text}");
        }
        assert_eq!(MediaType::of(&HeaderMap::new()), MediaType::Other);
    }
}

use clap::Args;

/// How HTTP without gRPC is answered.
#[derive(Clone, Debug, Args)]
pub struct BindingArguments {
    /// The URL by which callers reach the server, for the configuration of AuthZEN
    /// [default: on loopback that of `--listen`; elsewhere none, and no configuration].
    #[arg(long, env = "PIM_AUTHZ_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<String>,
    /// The origins whose pages may call from a browser, as
    /// `https://a.example.com,https://b.example.com` [default: none].
    #[arg(
        long = "cors-origin",
        env = "PIM_AUTHZ_CORS_ORIGIN",
        value_name = "ORIGINS",
        value_delimiter = ','
    )]
    pub cors_origins: Vec<String>,
}

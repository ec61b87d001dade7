use std::{io::IsTerminal as _, time::Duration};

use indicatif::{ProgressBar, ProgressStyle};

use crate::pb;

/// A bar on standard error; nothing at all where that is no terminal.
pub(super) fn bar(bytes: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(bytes);
    let style = "{spinner} {wide_bar} {bytes}/{total_bytes} {msg}";
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

/// Shows how far the server is.
pub(super) fn tell(bar: &ProgressBar, progress: &pb::ImportProgress) {
    let pb::ImportProgress { file, rows } = progress;
    bar.set_message(format!("{file}, {rows} rows"));
}

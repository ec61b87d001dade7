use std::{io::IsTerminal as _, time::Duration};

use indicatif::{ProgressBar, ProgressStyle};

use crate::pb;

/// Creates a progress bar on standard error for bytes sent; hidden if standard
/// error is not a terminal.
pub(super) fn bytes(bytes: u64) -> ProgressBar {
    let style = "{spinner} {wide_bar} {bytes}/{total_bytes} {msg}";
    shown(ProgressBar::new(bytes), style)
}

/// Creates a row counter on standard error; hidden if that is not a terminal, or
/// if standard output is one, where the rows themselves show the progress.
pub(super) fn rows() -> ProgressBar {
    if std::io::stdout().is_terminal() {
        return ProgressBar::hidden();
    }
    shown(ProgressBar::new_spinner(), "{spinner} {pos} ({per_sec})")
}

fn shown(bar: ProgressBar, style: &str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

/// Shows the phase of an import that the server reports.
pub(super) fn show(bar: &ProgressBar, progress: &pb::ImportProgress) {
    bar.set_message(phase(progress));
}

/// Describes the current phase of an import.
fn phase(progress: &pb::ImportProgress) -> String {
    let pb::ImportProgress { file, rows, .. } = progress;
    let what = match progress.phase() {
        pb::ImportPhase::Unspecified | pb::ImportPhase::Reading => "reading",
        pb::ImportPhase::Comparing => "comparing with what is stored",
        pb::ImportPhase::Applying => "applying the difference",
    };
    match (file.as_str(), rows) {
        ("", _) => what.to_owned(),
        (file, rows) => format!("{what}: {file}, {rows} rows"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_bar_shows_the_current_phase() {
        let cases = [
            (pb::ImportPhase::Reading, "a.csv", "reading: a.csv, 3 rows"),
            (
                pb::ImportPhase::Comparing,
                "a.csv",
                "comparing with what is stored: a.csv, 3 rows",
            ),
            (pb::ImportPhase::Applying, "", "applying the difference"),
        ];
        for (of, file, expected) in cases {
            let progress = pb::ImportProgress {
                file: file.to_owned(),
                rows: 3,
                phase: of.into(),
            };
            assert_eq!(phase(&progress), expected);
        }
    }
}

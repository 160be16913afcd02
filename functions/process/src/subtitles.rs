//! Subtitle files: cues as WebVTT and SubRip.

use std::time::Duration;

use domain::transcript::{Cue, SubtitleFormat};
use subtp::srt::{SrtSubtitle, SubRip};
use subtp::vtt::{VttBlock, VttCue, VttTimings, WebVtt};

/// The latest time that both formats write with two digits of hours.
const LATEST: Duration = Duration::from_secs(100 * 3_600 - 1);

/// A file of subtitles. A cue without text is left out: both formats end a cue with an empty line.
pub(crate) fn render(format: SubtitleFormat, cues: &[Cue]) -> String {
    let cues = cues.iter().map(|it| (it, lines(format, &it.text))).filter(|it| !it.1.is_empty());
    match format {
        SubtitleFormat::Vtt => {
            let block = |(cue, payload): (&Cue, Vec<String>)| {
                let timings = VttTimings { start: time(cue.start_ms).into(), end: time(cue.end_ms).into() };
                VttBlock::from(VttCue { identifier: Some(cue.number.to_string()), timings, payload, settings: None })
            };
            WebVtt { blocks: cues.map(block).collect(), ..WebVtt::default() }.render()
        }
        SubtitleFormat::Srt => {
            let subtitle = |(sequence, (cue, text)): (u32, (&Cue, Vec<String>))| SrtSubtitle {
                sequence,
                start: time(cue.start_ms).into(),
                end: time(cue.end_ms).into(),
                text,
                line_position: None,
            };
            SubRip { subtitles: (1..).zip(cues).map(subtitle).collect() }.render()
        }
    }
}

fn time(ms: u64) -> Duration {
    Duration::from_millis(ms).min(LATEST)
}

/// The lines of a cue: without empty ones, which would end it, and without anything that a player takes for markup
/// (WebVTT, section 4.2.2; SubRip has no escapes, and players take `<b>` there for markup as well).
fn lines(format: SubtitleFormat, text: &str) -> Vec<String> {
    let written = |line: &str| match format {
        SubtitleFormat::Vtt => line.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"),
        SubtitleFormat::Srt => line.replace("-->", "→").replace('<', "‹").replace('>', "›"),
    };
    let lines = text.split(['\n', '\r', '\u{2028}', '\u{2029}', '\u{85}', '\u{b}', '\u{c}', '\0']).map(str::trim);
    lines.filter(|it| !it.is_empty()).map(written).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cues() -> Vec<Cue> {
        let cue = |number, start_ms, end_ms, text: &str| Cue { number, start_ms, end_ms, text: text.to_owned() };
        vec![
            cue(1, 140, 4_620, "Hola <b>Mundo</b> & más\n\r\n\nsegunda línea"),
            cue(2, 5_000, 5_500, " \n "),
            cue(3, 3_600_000, 3_661_001, "00:00:00.000 --> 00:00:01.000"),
        ]
    }

    #[test]
    fn text_is_never_markup_and_never_ends_its_cue() {
        assert_eq!(
            render(SubtitleFormat::Vtt, &cues()),
            "WEBVTT\n\n1\n00:00:00.140 --> 00:00:04.620\nHola &lt;b&gt;Mundo&lt;/b&gt; &amp; más\nsegunda línea\n\n\
             3\n01:00:00.000 --> 01:01:01.001\n00:00:00.000 --&gt; 00:00:01.000\n"
        );
        assert_eq!(
            render(SubtitleFormat::Srt, &cues()),
            "1\n00:00:00,140 --> 00:00:04,620\nHola ‹b›Mundo‹/b› & más\nsegunda línea\n\n\
             2\n01:00:00,000 --> 01:01:01,001\n00:00:00.000 → 00:00:01.000\n"
        );
    }

    #[test]
    fn a_library_reads_what_was_written() {
        let read = WebVtt::parse(&render(SubtitleFormat::Vtt, &cues())).unwrap();
        let times: Vec<String> = read
            .blocks
            .iter()
            .filter_map(|it| match it {
                VttBlock::Que(cue) => Some(cue.timings.to_string()),
                _ => None,
            })
            .collect();
        assert_eq!(times, ["00:00:00.140 --> 00:00:04.620", "01:00:00.000 --> 01:01:01.001"]);
    }
}

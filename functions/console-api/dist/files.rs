//! The built files of the pages. Made by `build.mjs`, which is in `../web`: do not edit it.

use crate::pages::BuiltFile;

/// The page, compressed.
pub(crate) const INDEX: &[u8] = include_bytes!("index.html.gz");

/// All other files.
pub(crate) const FILES: &[BuiltFile] = &[
    BuiltFile {
        name: "channels-XK232AZF.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("channels-XK232AZF.js.gz"),
    },
    BuiltFile {
        name: "chunk-5LQJZA36.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("chunk-5LQJZA36.js.gz"),
    },
    BuiltFile {
        name: "chunk-AIQSES3Y.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("chunk-AIQSES3Y.js.gz"),
    },
    BuiltFile {
        name: "chunk-BXJC53PO.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("chunk-BXJC53PO.js.gz"),
    },
    BuiltFile {
        name: "chunk-FYWMJ66M.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("chunk-FYWMJ66M.js.gz"),
    },
    BuiltFile {
        name: "chunk-GG6RAYED.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("chunk-GG6RAYED.js.gz"),
    },
    BuiltFile {
        name: "chunk-GPB7S2FR.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("chunk-GPB7S2FR.js.gz"),
    },
    BuiltFile {
        name: "chunk-JZEWKT4X.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("chunk-JZEWKT4X.js.gz"),
    },
    BuiltFile {
        name: "chunk-X654YSE2.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("chunk-X654YSE2.js.gz"),
    },
    BuiltFile {
        name: "deadletters-COXQW5NB.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("deadletters-COXQW5NB.js.gz"),
    },
    BuiltFile {
        name: "icon-BHLHY764.svg",
        content_type: "image/svg+xml",
        gzip: include_bytes!("icon-BHLHY764.svg.gz"),
    },
    BuiltFile {
        name: "inbox-OF6QZ5HD.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("inbox-OF6QZ5HD.js.gz"),
    },
    BuiltFile {
        name: "items-J3EDIMDL.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("items-J3EDIMDL.js.gz"),
    },
    BuiltFile {
        name: "main-WHRB36WB.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("main-WHRB36WB.js.gz"),
    },
    BuiltFile {
        name: "messages-KRRLB5HW.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("messages-KRRLB5HW.js.gz"),
    },
    BuiltFile {
        name: "overview-7YVDWIGL.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("overview-7YVDWIGL.js.gz"),
    },
    BuiltFile {
        name: "settings-A2KCTNFK.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("settings-A2KCTNFK.js.gz"),
    },
    BuiltFile {
        name: "sources-6FZZPZEQ.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("sources-6FZZPZEQ.js.gz"),
    },
    BuiltFile {
        name: "style-TMC2ZW7B.css",
        content_type: "text/css; charset=utf-8",
        gzip: include_bytes!("style-TMC2ZW7B.css.gz"),
    },
    BuiltFile {
        name: "uPlot.esm-ULJJVTMH.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("uPlot.esm-ULJJVTMH.js.gz"),
    },
    BuiltFile {
        name: "usage-GHV67DHL.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("usage-GHV67DHL.js.gz"),
    },
];

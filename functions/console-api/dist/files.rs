//! The built files of the pages. Made by `build.mjs`, which is in `../web`: do not edit it.

use crate::pages::BuiltFile;

/// The page, compressed.
pub(crate) const INDEX: &[u8] = include_bytes!("index.html.gz");

/// All other files.
pub(crate) const FILES: &[BuiltFile] = &[
    BuiltFile {
        name: "channels-NJISCZCZ.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("channels-NJISCZCZ.js.gz"),
    },
    BuiltFile {
        name: "chunk-GI5YXC64.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("chunk-GI5YXC64.js.gz"),
    },
    BuiltFile {
        name: "chunk-IMTO5LEQ.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("chunk-IMTO5LEQ.js.gz"),
    },
    BuiltFile {
        name: "chunk-KIKF3QO3.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("chunk-KIKF3QO3.js.gz"),
    },
    BuiltFile {
        name: "chunk-M2YGM3OJ.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("chunk-M2YGM3OJ.js.gz"),
    },
    BuiltFile {
        name: "chunk-NDLAKPCQ.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("chunk-NDLAKPCQ.js.gz"),
    },
    BuiltFile {
        name: "chunk-NGOHNWHR.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("chunk-NGOHNWHR.js.gz"),
    },
    BuiltFile {
        name: "chunk-STKQPCJ6.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("chunk-STKQPCJ6.js.gz"),
    },
    BuiltFile {
        name: "chunk-TP543E64.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("chunk-TP543E64.js.gz"),
    },
    BuiltFile {
        name: "deadletters-SAAKQQBC.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("deadletters-SAAKQQBC.js.gz"),
    },
    BuiltFile {
        name: "icon-BHLHY764.svg",
        content_type: "image/svg+xml",
        gzip: include_bytes!("icon-BHLHY764.svg.gz"),
    },
    BuiltFile {
        name: "inbox-Y2BCRSLC.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("inbox-Y2BCRSLC.js.gz"),
    },
    BuiltFile {
        name: "items-ZIMARBOV.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("items-ZIMARBOV.js.gz"),
    },
    BuiltFile {
        name: "main-AMD67YTI.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("main-AMD67YTI.js.gz"),
    },
    BuiltFile {
        name: "messages-DPKEQPTT.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("messages-DPKEQPTT.js.gz"),
    },
    BuiltFile {
        name: "overview-BAGJQUNC.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("overview-BAGJQUNC.js.gz"),
    },
    BuiltFile {
        name: "settings-AIM6TU56.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("settings-AIM6TU56.js.gz"),
    },
    BuiltFile {
        name: "sources-4IZBYSNG.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("sources-4IZBYSNG.js.gz"),
    },
    BuiltFile {
        name: "style-E7CKLOSO.css",
        content_type: "text/css; charset=utf-8",
        gzip: include_bytes!("style-E7CKLOSO.css.gz"),
    },
    BuiltFile {
        name: "uPlot.esm-ULJJVTMH.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("uPlot.esm-ULJJVTMH.js.gz"),
    },
    BuiltFile {
        name: "usage-23K5COOW.js",
        content_type: "text/javascript; charset=utf-8",
        gzip: include_bytes!("usage-23K5COOW.js.gz"),
    },
];

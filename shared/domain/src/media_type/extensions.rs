//! The media type by file extension: our own table of media formats, then `mime_guess`.

/// The type of unknown content (RFC 2046, section 4.5.1).
pub const OCTET_STREAM: &str = "application/octet-stream";

/// The type by the extension of a name, case-insensitive; [`OCTET_STREAM`] if it is unknown. An extension that is known
/// to have no visual content and has no agreed type becomes `application/x-<extension>`.
pub fn guess_from_name(name: &str) -> String {
    let extension = extension(name);
    if let Some((media_type, _)) =
        EXTENSION_TYPES.iter().find(|(_, extensions)| contains_extension(extensions, &extension))
    {
        return (*media_type).to_owned();
    }
    match mime_guess::from_ext(&extension).first_raw() {
        Some(known) if known != OCTET_STREAM => known.to_owned(),
        _ if is_non_visual_name(name) => format!("application/x-{extension}"),
        _ => OCTET_STREAM.to_owned(),
    }
}

/// Whether the extension is that of a sidecar, a project, a program or the like.
pub(super) fn is_non_visual_name(name: &str) -> bool {
    contains_extension(NON_VISUAL_EXTENSIONS, &extension(name))
}

/// Whether media and other files share the extension: MPEG-TS and TypeScript, `go.mod`, audio in Ogg, RAW and captions.
pub(super) fn is_ambiguous_name(name: &str) -> bool {
    contains_extension("ts mts mod tod ogg ogm mp2 mpa dav raw cap tp trp dat bin img rec thm pic", &extension(name))
}

fn contains_extension(extensions: &str, extension: &str) -> bool {
    !extension.is_empty() && extensions.split(' ').any(|it| it == extension)
}

/// The extension in lower case; empty for `.hidden` and for a name without a dot.
fn extension(name: &str) -> String {
    let file = name.rsplit('/').next().unwrap_or_default();
    let extension = file.rsplit_once('.').filter(|(stem, _)| !stem.is_empty()).map(|it| it.1);
    extension.unwrap_or_default().to_ascii_lowercase()
}

/// Extensions that `mime_guess` 2 does not know, maps to another format (`.ts`, `.psd`, `.xmp`, `.aaf`), or maps to a
/// generic type. Unregistered types begin with `x-`.
const EXTENSION_TYPES: [(&str, &str); 33] = [
    ("video/mp2t", "ts mts m2ts m2t tp trp tod"),
    ("video/mpeg", "mpv m1v m2p evo mod"),
    ("video/mp4", "lrv insv 360 f4p"),
    ("video/x-msvideo", "divx xvid"),
    ("video/x-matroska", "mk3d"),
    ("video/ogg", "ogm"),
    ("video/h264", "264 avc"),
    ("video/h265", "265 h265 hevc"),
    ("video/x-lxf", "lxf"),
    ("video/x-r3d", "r3d"),
    ("video/x-braw", "braw"),
    ("video/x-canon-crm", "crm"),
    ("video/x-cine", "cine"),
    ("video/x-yuv4mpeg", "y4m"),
    ("video/x-dav", "dav"),
    ("video/x-nut", "nut"),
    ("video/x-ms-wtv", "wtv"),
    ("video/x-ms-dvr", "dvr-ms"),
    ("video/x-amv", "amv"),
    ("video/vnd.radgamettools.bink", "bik bk2"),
    ("image/x-arri", "ari arx"),
    ("image/x-dpx", "dpx"),
    ("image/x-exr", "exr sxr"),
    ("image/x-cineon", "cin"),
    ("image/fits", "fits fit fts"),
    ("image/heif", "hif"),
    ("image/jp2", "j2k j2c jpc jhc"),
    ("image/jpeg", "thm insp mpo jps"),
    ("image/vnd.adobe.photoshop", "psd psb"),
    ("image/vnd.zbrush.pcx", "pcx"),
    ("image/icns", "icns"),
    ("image/x-raw", "3fr iiq gpr fff erf kdc dcr mrw nrw srw srf sr2 pef rwl mos x3f cap"),
    ("application/dicom", "dcm dicom"),
];

/// Extensions without visual content for which `mime_guess` 2 has no type or a generic one: sidecars, subtitles, edit
/// decision lists, LUTs, checksums, projects; source code; archives and disk images; models and tables.
const NON_VISUAL_EXTENSIONS: &str = "xmp fcpxml fcpxmld xmeml mhl otio aepx mogrt ppj kdenlive mlt veg bim drp drt drx ttml dfxp itt cpl plist webloc \
    srt scc mcc ass ssa sbv sami smi lrc sub idx sup edl ale cube 3dl lut look cdl ccc md5 sha1 sha256 sha512 sfv crc cksum xxh \
    aaf prproj avb avp avs ptf pts aep aet nk hip c4d blend als logicx cpr indd idml indt fla pek cfa mpgindex \
    ifo bup bdm mpl cpi url nfo ini cfg conf env lock toml yml yaml tsx jsx cts vue scss sass less rs go kt swift cs \
    lua pl pm proto graphql tf bib rst adoc ipynb log out err diff patch ps1 pyc ds_store \
    db sqlite sqlite3 mdb accdb par2 lnk pages numbers key docx xlsx pptx odt ods odp csv tsv md pem crt gpg sig \
    iso dmg vmdk vhd vhdx qcow2 torrent 7z rar xz bz2 zst lz4 lzma tgz tbz tbz2 txz cab deb rpm apk jar whl gem msi exe dll so \
    dylib class o a lib wasm npy npz pt pth onnx safetensors h5 hdf5 parquet avro feather arrow pkl fbx obj usd usda usdc \
    usdz abc gltf glb ttf otf woff woff2 eot ttc pfb eps epsf epsi ps ai ait rf64 bw64 w64";

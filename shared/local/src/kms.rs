//! A small KMS: data keys, wrapped by a key that lies in the data folder.

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::{Value, json};

use crate::StackError;

/// The service; its key is made at the first start.
pub(crate) fn router(file: &Path) -> Result<Router, StackError> {
    let unwritable = |it: std::io::Error| StackError::Unwritable { path: file.to_owned(), source: it.into() };
    if !file.exists() {
        crate::stack::write_private(file, &random::<32>()).map_err(unwritable)?;
    }
    let bytes = std::fs::read(file).map_err(|source| StackError::Unreadable { path: file.to_owned(), source })?;
    let key = UnboundKey::new(&AES_256_GCM, &bytes)
        .map_err(|_| StackError::Corrupt { path: file.to_owned(), source: "not a key".into() })?;
    Ok(Router::new().route("/", post(handle)).with_state(Arc::new(LessSafeKey::new(key))))
}

async fn handle(State(key): State<Arc<LessSafeKey>>, headers: HeaderMap, body: Bytes) -> Response {
    let operation = headers.get("x-amz-target").and_then(|it| it.to_str().ok()).unwrap_or_default();
    let ask: Value = serde_json::from_slice(&body).unwrap_or_default();
    let answer = match operation {
        "TrentService.GenerateDataKey" => generate(&key, &ask),
        "TrentService.Decrypt" => decrypt(&key, &ask),
        _ => None,
    };
    let kind = [("content-type", "application/x-amz-json-1.1")];
    match answer {
        Some(it) => (kind, it.to_string()).into_response(),
        None => (StatusCode::BAD_REQUEST, kind, json!({ "__type": "InvalidCiphertextException" }).to_string())
            .into_response(),
    }
}

fn generate(key: &LessSafeKey, ask: &Value) -> Option<Value> {
    let (plain, nonce): ([u8; 32], [u8; NONCE_LEN]) = (random(), random());
    let mut wrapped = plain.to_vec();
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), context(ask), &mut wrapped).ok()?;
    let blob = [&nonce[..], &wrapped].concat();
    Some(json!({ "KeyId": ask["KeyId"], "Plaintext": STANDARD.encode(plain), "CiphertextBlob": STANDARD.encode(blob) }))
}

fn decrypt(key: &LessSafeKey, ask: &Value) -> Option<Value> {
    let mut blob = STANDARD.decode(ask["CiphertextBlob"].as_str()?).ok()?;
    let (nonce, wrapped) = blob.split_first_chunk_mut::<NONCE_LEN>()?;
    let plain = key.open_in_place(Nonce::assume_unique_for_key(*nonce), context(ask), wrapped).ok()?;
    Some(
        json!({ "KeyId": ask["KeyId"], "Plaintext": STANDARD.encode(plain), "EncryptionAlgorithm": "SYMMETRIC_DEFAULT" }),
    )
}

/// The key and the encryption context are authenticated with what is wrapped.
fn context(ask: &Value) -> Aad<Vec<u8>> {
    Aad::from(format!("{}{}", ask["KeyId"], ask["EncryptionContext"]).into_bytes())
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

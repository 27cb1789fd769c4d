//! Signed files: `{"signatures":[...],"signed":{...}}` (TUF §4.2).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::json;
use crate::key::{Key, RoleKeys};
use crate::limits::SIGNATURES;
use crate::name::RoleName;
use crate::refusal::Refusal;
use crate::role::Role;

/// A file whose signatures are not verified yet.
#[derive(Debug)]
pub(crate) struct Envelope {
    role: RoleName,
    signatures: BTreeMap<String, String>,
    signed: Value,
    /// What the signatures cover.
    message: Vec<u8>,
}

#[derive(Deserialize)]
struct Written {
    signatures: Vec<Signature>,
    signed: Value,
}

#[derive(Deserialize)]
struct Signature {
    keyid: String,
    sig: String,
}

impl Envelope {
    /// Parses a file of at most `limit` bytes, and checks that it is of the role's type.
    pub(crate) fn parse<R: Role>(role: &RoleName, bytes: &[u8], limit: u64) -> Result<Self, Refusal> {
        if bytes.len() as u64 > limit {
            return Err(Refusal::TooLarge { role: role.clone(), limit });
        }
        let value = json::parse(bytes).map_err(|error| malformed(role, &error))?;
        let written: Written =
            serde_path_to_error::deserialize(value).map_err(|error| malformed(role, &error))?;
        if written.signatures.len() > SIGNATURES {
            let count = written.signatures.len();
            return Err(malformed(role, &format!("{count} signatures: at most {SIGNATURES}")));
        }
        let mut signatures = BTreeMap::new();
        for Signature { keyid, sig } in written.signatures {
            if signatures.contains_key(&keyid) {
                return Err(Refusal::DuplicateSignature { role: role.clone(), key_id: shortened(&keyid) });
            }
            signatures.insert(keyid, sig);
        }
        check_type::<R>(role, &written.signed)?;
        let message = json::canonical(&written.signed).map_err(|error| malformed(role, &error))?;
        Ok(Self { role: role.clone(), signatures, signed: written.signed, message })
    }

    /// Checks that a threshold of keys signed. The same key under two ids counts once.
    pub(crate) fn verify(
        &self,
        delegator: &RoleName,
        keys: &BTreeMap<String, Key>,
        role: &RoleKeys,
    ) -> Result<(), Refusal> {
        let valid = signers(&self.signatures, &self.message, keys, role).len();
        let threshold = role.threshold.get();
        if valid as u64 >= u64::from(threshold) {
            return Ok(());
        }
        Err(Refusal::Threshold { role: self.role.clone(), delegator: delegator.clone(), valid, threshold })
    }

    /// The role in the file.
    pub(crate) fn signed<R: Role>(&self) -> Result<R, Refusal> {
        role(&self.role, &self.signed)
    }

    /// What is signed.
    pub(crate) fn value(&self) -> &Value {
        &self.signed
    }

    /// Signatures by key id, what is signed, and its canonical form.
    pub(crate) fn into_parts(self) -> (BTreeMap<String, String>, Value, Vec<u8>) {
        (self.signatures, self.signed, self.message)
    }
}

/// Ids of the keys of a role with a valid signature. The same key under two ids counts once.
pub(crate) fn signers(
    signatures: &BTreeMap<String, String>,
    message: &[u8],
    keys: &BTreeMap<String, Key>,
    role: &RoleKeys,
) -> Vec<String> {
    let mut signers = BTreeMap::new();
    for id in &role.key_ids {
        let (Some(key), Some(signature)) = (keys.get(id), signatures.get(id)) else { continue };
        let Some(verifier) = key.verifier() else { continue };
        if !signers.contains_key(&verifier.identity) && verifier.verifies(message, signature) {
            signers.insert(verifier.identity, id.clone());
        }
    }
    signers.into_values().collect()
}

/// A role as it is signed.
pub(crate) fn role<R: Role>(name: &RoleName, signed: &Value) -> Result<R, Refusal> {
    serde_path_to_error::deserialize(signed).map_err(|error| malformed(name, &error))
}

fn check_type<R: Role>(role: &RoleName, signed: &Value) -> Result<(), Refusal> {
    match signed.get("_type").and_then(Value::as_str) {
        Some(found) if found == R::TYPE => Ok(()),
        Some(found) => {
            Err(Refusal::WrongType { role: role.clone(), found: shortened(found), expected: R::TYPE })
        }
        None => Err(malformed(role, &"signed._type: expected a string")),
    }
}

fn malformed(role: &RoleName, problem: &impl ToString) -> Refusal {
    Refusal::Malformed { role: role.clone(), problem: problem.to_string() }
}

/// A text from outside, shortened for an error.
fn shortened(text: &str) -> String {
    text.chars().take(40).collect()
}

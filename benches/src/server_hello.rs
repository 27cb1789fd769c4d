//! How a TLS session began, from its `ServerHello` (RFC 8446 §4.1.3), which is never encrypted.

/// First octets of a connection that contain a `ServerHello`: a post-quantum key share alone has 1,120.
pub(crate) const HEAD: usize = 4096;

/// Record header, handshake header, version, random.
const BEFORE_SESSION_ID: usize = 5 + 4 + 2 + 32;

/// Cipher suite and compression method.
const AFTER_SESSION_ID: usize = 2 + 1;

/// `pre_shared_key`: the server resumes a session.
const PRE_SHARED_KEY: u16 = 41;

/// Whether the server resumes an earlier session; `None` if this isn't a complete `ServerHello`.
pub(crate) fn resumes(head: &[u8]) -> Option<bool> {
    if (head.first(), head.get(5)) != (Some(&22), Some(&2)) {
        return None;
    }
    let session_id = usize::from(*head.get(BEFORE_SESSION_ID)?);
    let extensions = head.get(BEFORE_SESSION_ID + 1 + session_id + AFTER_SESSION_ID..)?;
    let (length, mut rest) = number(extensions)?;
    rest = rest.get(..usize::from(length))?;
    while !rest.is_empty() {
        let (kind, behind) = number(rest)?;
        if kind == PRE_SHARED_KEY {
            return Some(true);
        }
        let (length, behind) = number(behind)?;
        rest = behind.get(usize::from(length)..)?;
    }
    Some(false)
}

fn number(octets: &[u8]) -> Option<(u16, &[u8])> {
    let (first, rest) = octets.split_first_chunk::<2>()?;
    Some((u16::from_be_bytes(*first), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(extensions: &[u8]) -> Vec<u8> {
        let length = u16::try_from(extensions.len()).unwrap().to_be_bytes();
        let head = [&[22, 3, 3, 0, 0, 2, 0, 0, 0, 3, 3][..], &[9; 32], &[4, 1, 2, 3, 4], &[0x13, 2, 0]];
        [&head.concat()[..], &length, extensions].concat()
    }

    #[test]
    fn only_a_pre_shared_key_resumes() {
        let (versions, key_share) = ([0, 43, 0, 2, 3, 4], [0, 51, 0, 4, 0, 29, 0, 0]);
        let full = hello(&[&versions[..], &key_share].concat());
        let resumed = hello(&[&versions[..], &key_share, &[0, 41, 0, 2, 0, 0]].concat());
        assert_eq!((resumes(&full), resumes(&resumed)), (Some(false), Some(true)));
        assert_eq!(resumes(full.get(..full.len() - 1).unwrap()), None, "it is cut");
        assert_eq!((resumes(b"HTTP/1.1 400 Bad Request"), resumes(&[])), (None, None));
    }
}

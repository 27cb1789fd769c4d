//! argon2id hashing: at most two at a time, each with a buffer that is allocated once, and a queue that is fair by
//! network.
//!
//! If a buffer were allocated for each hash, its memory would not be returned to the system: after the first 19 MiB
//! are freed, glibc allocates such blocks from the arenas of the threads and keeps them (mallopt(3),
//! M_MMAP_THRESHOLD). Hashing never runs on the async threads.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use comm_server_core::logins::{FairQueue, Full};
use tokio::sync::oneshot;
use wire::network::Network;

use super::{HashError, MAX_BYTES, one_time};

/// Maximum number of concurrent hashes; each needs 19 MiB and one processor.
const AT_ONCE: usize = 2;

/// Maximum number of waiting logins per network, and of networks.
const PER_NETWORK: usize = 16;
const NETWORKS: usize = 256;

/// Maximum wait for a slot; after that, the request is rejected with a time to retry.
const WAIT: Duration = Duration::from_secs(10);

/// Memory of one hash, KiB; with two passes the first choice of OWASP's password storage cheat sheet.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// Maximum memory of a stored hash that is verified, KiB.
const MAX_MEMORY_KIB: usize = 64 * 1024;

/// The memory of one hash.
type Buffer = Vec<Block>;

#[derive(Debug)]
struct Places {
    free: Vec<Buffer>,
    waiting: FairQueue<oneshot::Sender<Place>>,
}

/// The right to compute a hash; passed on when dropped.
#[derive(Debug)]
struct Place {
    // `None` only after it was given on.
    buffer: Option<Buffer>,
    places: Arc<Mutex<Places>>,
}

fn lock(places: &Mutex<Places>) -> MutexGuard<'_, Places> {
    places.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut given_on = self.buffer.take();
        while let Some(buffer) = given_on.take() {
            let mut places = lock(&self.places);
            let Some(next) = places.waiting.pop() else {
                places.free.push(buffer);
                return;
            };
            drop(places);
            let place = Self { buffer: Some(buffer), places: Arc::clone(&self.places) };
            // A caller that gave up waiting leaves its turn to the next one.
            given_on = next.send(place).err().and_then(|mut unwanted| unwanted.buffer.take());
        }
    }
}

/// Hashes and verifies; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Hasher {
    places: Arc<Mutex<Places>>,
    decoy: Arc<str>,
}

impl Hasher {
    /// A hasher.
    ///
    /// # Errors
    /// The system's random number generator failed.
    pub(crate) fn new() -> Result<Self, HashError> {
        let mut buffer = Buffer::new();
        let decoy = hash(&one_time()?, &mut buffer)?;
        // The others grow when they are first needed.
        let free = std::iter::once(buffer).chain((1..AT_ONCE).map(|_| Buffer::new())).collect();
        let places = Places { free, waiting: FairQueue::new(PER_NETWORK, NETWORKS) };
        Ok(Self { places: Arc::new(Mutex::new(places)), decoy: decoy.into() })
    }

    /// Hashes a password; returns a PHC string.
    ///
    /// # Errors
    /// Too many logins wait, or the system failed.
    pub(crate) async fn hash(&self, password: &str, network: Network) -> Result<String, HashError> {
        let password = password.to_owned();
        self.run(network, move |buffer| hash(&password, buffer)).await
    }

    /// Whether the password matches `hash`. Without a hash (no such user) the same work is done, and the result is
    /// `false`.
    ///
    /// # Errors
    /// Too many logins wait, or the system failed.
    pub(crate) async fn verify(
        &self,
        password: &str,
        hash: Option<&str>,
        network: Network,
    ) -> Result<bool, HashError> {
        let known = hash.is_some();
        let hash = hash.unwrap_or(&self.decoy).to_owned();
        let mut password = password.to_owned();
        if password.len() > MAX_BYTES {
            password.clear();
        }
        self.run(network, move |buffer| Ok(known & is_of(&password, &hash, buffer)?)).await
    }

    async fn run<T: Send + 'static>(
        &self,
        network: Network,
        work: impl FnOnce(&mut Buffer) -> Result<T, HashError> + Send + 'static,
    ) -> Result<T, HashError> {
        let mut place = self.place(network).await?;
        let done = tokio::task::spawn_blocking(move || work(place.buffer.get_or_insert_default()));
        done.await.map_err(|error| HashError::Argon(error.to_string()))?
    }

    async fn place(&self, network: Network) -> Result<Place, HashError> {
        let (sender, receiver) = oneshot::channel();
        {
            let mut places = lock(&self.places);
            if let Some(buffer) = places.free.pop() {
                return Ok(Place { buffer: Some(buffer), places: Arc::clone(&self.places) });
            }
            places.waiting.push(network, sender).map_err(|full| match full {
                Full::Network => HashError::BusyNetwork,
                Full::Everybody => HashError::Busy,
            })?;
        }
        match tokio::time::timeout(WAIT, receiver).await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_)) | Err(_) => Err(HashError::Busy),
        }
    }
}

fn argon_error(error: impl std::fmt::Display) -> HashError {
    HashError::Argon(error.to_string())
}

/// Computes a hash in the buffer, which keeps its size.
fn compute(
    argon: &Argon2<'_>,
    password: &str,
    salt: &[u8],
    out: &mut [u8],
    buffer: &mut Buffer,
) -> Result<(), HashError> {
    let blocks = argon.params().block_count();
    if blocks > MAX_MEMORY_KIB {
        return Err(HashError::Argon(format!("a stored hash needs {blocks} KiB of memory")));
    }
    if buffer.len() < blocks {
        buffer.resize(blocks, Block::new());
    }
    argon.hash_password_into_with_memory(password.as_bytes(), salt, out, buffer).map_err(argon_error)
}

fn hash(password: &str, buffer: &mut Buffer) -> Result<String, HashError> {
    let mut salt = [0_u8; 16];
    aws_lc_rs::rand::fill(&mut salt).map_err(|_| HashError::NoRandom)?;
    let parameters = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(argon_error)?;
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters);
    let mut out = [0_u8; Params::DEFAULT_OUTPUT_LEN];
    compute(&argon, password, &salt, &mut out, buffer)?;
    let hash = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(argon.params()).map_err(argon_error)?,
        salt: Some(Salt::new(&salt).map_err(argon_error)?),
        hash: Some(Output::new(&out).map_err(argon_error)?),
    };
    Ok(hash.to_string())
}

/// Whether a password matches a PHC string, with the parameters in it.
fn is_of(password: &str, phc: &str, buffer: &mut Buffer) -> Result<bool, HashError> {
    let stored = PasswordHash::new(phc).map_err(argon_error)?;
    let (Some(salt), Some(expected)) = (&stored.salt, &stored.hash) else {
        return Err(HashError::Argon("a stored hash has no salt or no value".to_owned()));
    };
    let algorithm = Algorithm::try_from(stored.algorithm.as_str()).map_err(argon_error)?;
    let version = stored.version.map(Version::try_from).transpose().map_err(argon_error)?.unwrap_or_default();
    let argon = Argon2::new(algorithm, version, Params::try_from(&stored).map_err(argon_error)?);
    let mut out = vec![0; expected.as_bytes().len()];
    compute(&argon, password, salt.as_ref(), &mut out, buffer)?;
    Ok(verify_slices_are_equal(&out, expected.as_bytes()).is_ok())
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use argon2::{PasswordHasher as _, PasswordVerifier as _};

    use super::*;

    fn network(host: u8) -> Network {
        Network::of([192, 0, 2, host].into())
    }

    #[tokio::test]
    async fn a_hash_is_argon2id_and_verifies_its_own_password_only() {
        let hasher = Hasher::new().unwrap();
        let hash = hasher.hash("correct horse battery", network(1)).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        let verify = async |password, hash| hasher.verify(password, hash, network(1)).await.unwrap();
        assert!(verify("correct horse battery", Some(&hash)).await);
        assert!(!verify("correct horse batterz", Some(&hash)).await);
        assert!(!verify("correct horse battery", None).await);
    }

    #[test]
    fn the_library_reads_our_hashes_and_we_read_its_with_whatever_parameters() {
        let mut buffer = Buffer::new();
        let ours = hash("a password of ours", &mut buffer).unwrap();
        assert!(Argon2::default().verify_password(b"a password of ours", ours.as_str()).is_ok());
        for (memory, passes, lanes, length) in [(8, 1, 1, 16), (19 * 1024, 2, 1, 32), (21_000, 1, 2, 64)] {
            let parameters = Params::new(memory, passes, lanes, Some(length)).unwrap();
            let argon = Argon2::new(Algorithm::Argon2i, Version::V0x10, parameters);
            let theirs = argon.hash_password_with_salt(b"theirs", b"0123456789abcdef").unwrap().to_string();
            assert!(is_of("theirs", &theirs, &mut buffer).unwrap(), "{theirs}");
            assert!(!is_of("others", &theirs, &mut buffer).unwrap(), "{theirs}");
        }
        assert!(is_of("x", "$argon2id$v=19$m=4000000,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2g", &mut buffer).is_err());
        assert!(is_of("x", "no PHC string", &mut buffer).is_err());
    }

    #[tokio::test]
    async fn places_go_round_by_network_and_none_is_lost() {
        let hasher = Hasher::new().unwrap();
        let held = [hasher.place(network(1)).await.unwrap(), hasher.place(network(1)).await.unwrap()];
        let mut flood = Vec::new();
        for _ in 0..PER_NETWORK {
            let hasher = hasher.clone();
            flood.push(tokio::spawn(async move { drop(hasher.place(network(1)).await.unwrap()) }));
            tokio::task::yield_now().await;
        }
        assert!(matches!(hasher.place(network(1)).await, Err(HashError::BusyNetwork)));
        // One of the flood's gives up, and somebody else comes.
        flood.swap_remove(0).abort();
        let other = hasher.place(network(2));
        tokio::pin!(other);
        assert!(other.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        let [first, second] = held;
        drop((first, second));
        drop(other.await.unwrap());
        for one in flood {
            one.await.unwrap();
        }
        assert_eq!(lock(&hasher.places).free.len(), AT_ONCE);
    }
}

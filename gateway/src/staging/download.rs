//! The download of one image: resumed, counted, hashed, verified, synced, and only then renamed.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use gateway_core::site::StagedImage;
use reqwest::header::CONTENT_RANGE;
use reqwest::{Response, StatusCode};
use tokio::fs::{File, OpenOptions};
use tokio::io::{AsyncSeekExt, AsyncWriteExt};

use super::client::StagingClient;
use super::error::StagingError;
use super::image_file;

/// Space that stays free for the spool and the system, bytes.
const SPACE_RESERVE: u64 = 32 << 20;

/// Interruptions in a row without progress after which the caller's back-off takes over.
const FRUITLESS_CUTS: u32 = 2;

/// Maximum number of interruptions.
const CUTS: u32 = 50;

const PAUSE: Duration = Duration::from_millis(250);

type Progress<'a> = &'a mut (dyn FnMut(u64, u64) + Send);

/// Downloads one image into `dir`.
pub(super) async fn fetch(
    client: &StagingClient,
    name: &str,
    staged: StagedImage,
    dir: &Path,
    progress: Progress<'_>,
) -> Result<StagedImage, StagingError> {
    let (signed, length) = (staged.sha256.as_str(), staged.length);
    let path = image_file(dir, signed);
    if is_whole(&path, &staged).await? {
        progress(length, length);
        return Ok(staged);
    }
    let mut part = Part::open(dir.join(format!("{signed}.part")), length).await?;
    let resumed = part.have > 0;
    check_space(dir, length - part.have)?;
    part.fill(client, signed, progress).await?;
    let mut found = part.digest();
    if found != signed && resumed {
        // After a power cut, a partial file may hold octets that never reached the disk: start again from the
        // beginning.
        part.start_anew().await?;
        part.fill(client, signed, progress).await?;
        found = part.digest();
    }
    if found != signed {
        let part = part.path;
        tokio::fs::remove_file(&part).await.map_err(StagingError::storage(&part))?;
        return Err(StagingError::Digest { target: name.to_owned(), signed: signed.to_owned(), found });
    }
    part.name(&path).await?;
    Ok(staged)
}

/// Whether the complete image is there; a damaged one is removed.
async fn is_whole(path: &Path, staged: &StagedImage) -> Result<bool, StagingError> {
    let file = path.to_owned();
    let hashed = tokio::task::spawn_blocking(move || hash(&file)).await.map_err(io::Error::other).flatten();
    match hashed {
        Ok((have, context)) => {
            if have == staged.length && finish(context) == staged.sha256 {
                return Ok(true);
            }
            tracing::warn!(image = %path.display(), "the staged image is damaged on disk and is downloaded again");
            tokio::fs::remove_file(path).await.map_err(StagingError::storage(path))?;
            Ok(false)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(StagingError::storage(path)(error)),
    }
}

fn check_space(dir: &Path, missing: u64) -> Result<(), StagingError> {
    let space = rustix::fs::statvfs(dir).map_err(io::Error::from).map_err(StagingError::storage(dir))?;
    let available = space.f_bavail.saturating_mul(space.f_frsize);
    let needed = missing.saturating_add(SPACE_RESERVE);
    if available < needed {
        return Err(StagingError::NoSpace { dir: dir.to_owned(), needed, available });
    }
    Ok(())
}

/// The partial file of an image.
struct Part {
    path: PathBuf,
    file: File,
    context: Context,
    have: u64,
    length: u64,
}

impl Part {
    async fn open(path: PathBuf, length: u64) -> Result<Self, StagingError> {
        let file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path).await;
        let file = file.map_err(StagingError::storage(&path))?;
        let of_before = path.clone();
        let hashed = tokio::task::spawn_blocking(move || hash(&of_before)).await;
        let (have, context) =
            hashed.map_err(io::Error::other).flatten().map_err(StagingError::storage(&path))?;
        let mut part = Self { path, file, context, have, length };
        if have > length {
            part.start_anew().await?;
        }
        part.file.seek(io::SeekFrom::Start(part.have)).await.map_err(StagingError::storage(&part.path))?;
        Ok(part)
    }

    async fn start_anew(&mut self) -> Result<(), StagingError> {
        self.file.set_len(0).await.map_err(StagingError::storage(&self.path))?;
        self.file.rewind().await.map_err(StagingError::storage(&self.path))?;
        (self.have, self.context) = (0, Context::new(&SHA256));
        Ok(())
    }

    /// Downloads what is missing. Continues after interruptions as long as each attempt makes progress.
    async fn fill(
        &mut self,
        client: &StagingClient,
        sha256: &str,
        progress: Progress<'_>,
    ) -> Result<(), StagingError> {
        let (mut cuts, mut fruitless) = (0, 0);
        while self.have < self.length {
            let before = self.have;
            let Err(error) = self.attempt(client, sha256, progress).await else {
                continue;
            };
            (cuts, fruitless) = (cuts + 1, if self.have > before { 0 } else { fruitless + 1 });
            if error.is_final() || fruitless >= FRUITLESS_CUTS || cuts >= CUTS {
                return Err(error);
            }
            tracing::info!(image = sha256, have = self.have, error = %error, "download interrupted; resuming");
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    async fn attempt(
        &mut self,
        client: &StagingClient,
        sha256: &str,
        progress: Progress<'_>,
    ) -> Result<(), StagingError> {
        let Some(mut response) = client.image(sha256, self.have).await? else {
            let problem = format!("there are no bytes after {} of {}", self.have, self.length);
            return Err(StagingError::WrongAnswer { what: sha256.to_owned(), problem });
        };
        if response.status() == StatusCode::OK && self.have > 0 {
            self.start_anew().await?;
        }
        self.check_place(&response, sha256)?;
        let copied = self.copy(&mut response, sha256, progress).await;
        // What was received before an interruption must be in the file before the next request begins after it.
        self.file.flush().await.map_err(StagingError::storage(&self.path))?;
        copied?;
        if self.have < self.length {
            let (have, length) = (self.have, self.length);
            return Err(StagingError::CutShort { what: sha256.to_owned(), have, length });
        }
        Ok(())
    }

    /// A partial response must begin where the file ends.
    fn check_place(&self, response: &Response, sha256: &str) -> Result<(), StagingError> {
        if response.status() == StatusCode::OK {
            return Ok(());
        }
        let range = response.headers().get(CONTENT_RANGE).and_then(|value| value.to_str().ok()).unwrap_or("");
        let expected = format!("bytes {}-{}/{}", self.have, self.length - 1, self.length);
        if range == expected {
            return Ok(());
        }
        let problem = format!("its Content-Range is {range:?}, expected {expected:?}");
        Err(StagingError::WrongAnswer { what: sha256.to_owned(), problem })
    }

    async fn copy(
        &mut self,
        response: &mut Response,
        sha256: &str,
        progress: Progress<'_>,
    ) -> Result<(), StagingError> {
        let cut = |source| StagingError::Unreachable { what: sha256.to_owned(), source };
        while let Some(chunk) = response.chunk().await.map_err(cut)? {
            let more = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
            if more > self.length - self.have {
                let problem = format!("it continues after the {} bytes of the image", self.length);
                return Err(StagingError::WrongAnswer { what: sha256.to_owned(), problem });
            }
            self.file.write_all(&chunk).await.map_err(StagingError::storage(&self.path))?;
            self.context.update(&chunk);
            self.have += more;
            progress(self.have, self.length);
        }
        Ok(())
    }

    fn digest(&self) -> String {
        finish(self.context.clone())
    }

    /// Syncs the partial file and renames it.
    async fn name(self, path: &Path) -> Result<(), StagingError> {
        self.file.sync_all().await.map_err(StagingError::storage(&self.path))?;
        let (part, named) = (self.path, path.to_owned());
        let renamed = tokio::task::spawn_blocking(move || durable::rename(&part, &named));
        renamed.await.map_err(io::Error::other).flatten().map_err(StagingError::storage(path))
    }
}

fn hash(path: &Path) -> io::Result<(u64, Context)> {
    let mut file = std::fs::File::open(path)?;
    let mut context = Context::new(&SHA256);
    let mut chunk = vec![0; 256 << 10];
    let mut have = 0;
    loop {
        let filled = file.read(&mut chunk)?;
        let Some(bytes) = chunk.get(..filled).filter(|bytes| !bytes.is_empty()) else {
            return Ok((have, context));
        };
        context.update(bytes);
        have += u64::try_from(filled).unwrap_or(0);
    }
}

fn finish(context: Context) -> String {
    hex::encode(context.finish())
}

//! Metadata and targets of a TUF repository: performs what [`tuf::Client`] requires, over HTTP and in a folder.

mod error;
mod http;
mod perform;
mod storage;

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use tuf::limits::ROOT_BYTES;
use tuf::{Client, Found, RoleName, TargetFile, TrustedSet};

use http::Http;

pub(crate) use error::RepositoryError;
pub(crate) use perform::{Source, Store, perform};
pub(crate) use storage::{Storage, read};

/// Stores a root that is trusted from now on. Sends no request. It must be signed by its own keys, and may have
/// expired. Returns its version.
///
/// # Errors
/// The file can't be read, isn't such a root, or can't be stored.
pub(crate) fn init(storage: &Storage, root: &Path, now: Timestamp) -> Result<u64, RepositoryError> {
    let file = |source| RepositoryError::File { path: root.to_owned(), source };
    let bytes = read(root, ROOT_BYTES).map_err(file)?;
    let bytes = bytes.ok_or_else(|| RepositoryError::Setup {
        what: format!("{} does not exist: expected a root to trust", root.display()),
    })?;
    let trusted = TrustedSet::new(&bytes, now)?;
    let mut storage = storage;
    storage.write(&RoleName::root(), &bytes)?;
    Ok(trusted.root().version.get())
}

/// A repository whose metadata is current.
#[derive(Debug)]
pub(crate) struct Repository<'a> {
    storage: &'a Storage,
    server: Server<'a>,
    client: Client,
}

/// The base URL of a repository's metadata, and how it is requested.
#[derive(Debug)]
struct Server<'a> {
    http: Http,
    url: &'a str,
}

impl Source<RepositoryError> for Server<'_> {
    async fn metadata(
        &self,
        path: &str,
        role: &RoleName,
        limit: u64,
    ) -> Result<Option<Vec<u8>>, RepositoryError> {
        self.http.metadata(http::below(self.url, path)?, role, limit).await
    }
}

/// A target that is in its folder.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Downloaded {
    /// The path.
    pub(crate) path: PathBuf,
    /// Whether the file existed already.
    pub(crate) unchanged: bool,
}

impl<'a> Repository<'a> {
    /// Follows newer roots, and updates timestamp, snapshot and targets. Each verified file is stored, even if a
    /// later one is refused. `now` decides what has expired.
    ///
    /// # Errors
    /// There is no trusted root, a role is refused, or a request or a file fails.
    pub(crate) async fn refresh(
        storage: &'a Storage,
        url: &'a str,
        now: Timestamp,
    ) -> Result<Self, RepositoryError> {
        let mut stored = storage;
        let root = stored.read(&RoleName::root(), ROOT_BYTES)?;
        let root = root.ok_or_else(|| RepositoryError::NoRoot { path: storage.path(&RoleName::root()) })?;
        let client = Client::new(&root, now)?;
        let mut repository = Self { storage, server: Server { http: Http::new()?, url }, client };
        repository.perform().await?;
        Ok(repository)
    }

    /// The trusted roles.
    #[must_use]
    pub(crate) fn trusted(&self) -> &TrustedSet {
        self.client.trusted()
    }

    /// Downloads a target below `base` to a folder, unless the folder already has it.
    ///
    /// # Errors
    /// No role describes the target, a role that is responsible for it is refused, its content is refused, or a
    /// request or a file fails. Other targets are not affected.
    pub(crate) async fn download(
        &mut self,
        target: &str,
        base: &str,
        dir: &Path,
    ) -> Result<Downloaded, RepositoryError> {
        let expected = self.find(target).await?;
        let path = storage::target_path(dir, target);
        if storage::is_target(&path, target, &expected) {
            return Ok(Downloaded { path, unchanged: true });
        }
        let consistent = self.client.trusted().root().consistent_snapshot;
        let url = http::below(base, &expected.url_path(target, consistent))?;
        let mut file = storage::NewTarget::create(&path, target, &expected)?;
        let mut response = self.server.http.target(&url).await?;
        let interrupted = |source| RepositoryError::unreachable(&url, source);
        while let Some(part) = response.chunk().await.map_err(interrupted)? {
            file.write(&part)?;
        }
        file.finish()?;
        Ok(Downloaded { path, unchanged: false })
    }

    /// Length and hashes of a target.
    async fn find(&mut self, target: &str) -> Result<TargetFile, RepositoryError> {
        self.client.find(target)?;
        self.perform().await?;
        match self.client.found() {
            Some(Ok(Found::Target { file, .. })) => Ok(file),
            Some(Err(refusal)) => Err(refusal.into()),
            Some(Ok(Found::Absent)) | None => Err(RepositoryError::NoTarget { target: target.to_owned() }),
        }
    }

    async fn perform(&mut self) -> Result<(), RepositoryError> {
        let mut storage = self.storage;
        perform(&mut self.client, &mut storage, &self.server).await
    }
}

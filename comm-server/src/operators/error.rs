//! Errors of the operators' side: an internal error is logged with its sources, and sent without details.

use axum::response::{IntoResponse, Response};
use runtime::problem_response::ProblemResponse;
use wire::problem::{Problem, ProblemCode};

use crate::services::{
    AccountError, AuditError, CodeError, CommandError, CustomersError, FactorError, FileError, Forbidden,
    HashError, LoginError, OrderError, PasswordError, QuarantineError, SessionError, SettingsError,
};
use crate::store::{ChangeError, RolloutError, StoreError};
use comm_server_core::assets::PlacementError;
use comm_server_core::rollouts::{Interface, PlanError};

/// An error that is sent as a problem document (RFC 9457).
#[derive(Debug)]
pub(crate) struct ApiError(pub(crate) Problem);

impl ApiError {
    pub(crate) fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self(Problem::new(code, detail))
    }

    /// The request is malformed.
    pub(crate) fn malformed(detail: impl Into<String>) -> Self {
        Self::new(ProblemCode::MalformedBody, detail)
    }

    /// The name is unknown.
    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(ProblemCode::NotFound, format!("there is no {what} with that name"))
    }

    /// The request has no valid session.
    pub(crate) fn not_logged_in() -> Self {
        Self::new(ProblemCode::Unauthorized, "there is no valid session: log in first")
    }

    /// The change is based on another version than `current`.
    pub(crate) fn changed(current: i64) -> Self {
        let detail = format!("it was changed meanwhile: read version {current} and repeat the change");
        Self::new(ProblemCode::PreconditionFailed, detail)
    }

    /// Too many requests from one address.
    pub(crate) fn too_many() -> Self {
        let mut problem = Problem::new(
            ProblemCode::Overloaded,
            "too many logins from this address: wait a minute, then try again",
        );
        problem.status = 429;
        Self(problem)
    }

    /// The server failed.
    pub(crate) fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error, "an operator's request failed");
        Self::new(ProblemCode::Internal, "the server failed; its log says why")
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        if let StoreError::Cursor(cursor) = &error {
            return Self::malformed(cursor.to_string());
        }
        Self::internal(&error)
    }
}

impl From<HashError> for ApiError {
    fn from(error: HashError) -> Self {
        match error {
            HashError::Busy => Self::new(ProblemCode::Overloaded, error.to_string()),
            HashError::BusyNetwork => Self::too_many(),
            HashError::NoRandom | HashError::Argon(_) => Self::internal(&error),
        }
    }
}

impl From<Forbidden> for ApiError {
    fn from(error: Forbidden) -> Self {
        Self::new(ProblemCode::Forbidden, error.to_string())
    }
}

impl From<SessionError> for ApiError {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Store(error) => error.into(),
        }
    }
}

impl From<LoginError> for ApiError {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::TooMany => Self::too_many(),
            LoginError::Wrong => Self::new(ProblemCode::Unauthorized, error.to_string()),
            LoginError::Hash(error) => error.into(),
            LoginError::Store(error) => error.into(),
        }
    }
}

impl From<PasswordError> for ApiError {
    fn from(error: PasswordError) -> Self {
        match error {
            PasswordError::NoAccount => Self::not_logged_in(),
            PasswordError::Wrong => Self::new(ProblemCode::Forbidden, error.to_string()),
            PasswordError::Weak(error) => Self::malformed(error.to_string()),
            PasswordError::Hash(error) => error.into(),
            PasswordError::Store(error) => error.into(),
        }
    }
}

impl From<FactorError> for ApiError {
    fn from(error: FactorError) -> Self {
        match error {
            FactorError::Password(error) => error.into(),
            FactorError::WrongCode => Self::malformed(error.to_string()),
            FactorError::Already | FactorError::NotBegun | FactorError::NotOn | FactorError::Required => {
                Self::new(ProblemCode::Conflict, error.to_string())
            }
            FactorError::Change(error) => error.into(),
        }
    }
}

impl From<CodeError> for ApiError {
    fn from(error: CodeError) -> Self {
        match error {
            CodeError::NotDue => Self::new(ProblemCode::Conflict, error.to_string()),
            CodeError::Wrong => Self::new(ProblemCode::Unauthorized, error.to_string()),
            CodeError::Login(error) => error.into(),
        }
    }
}

impl From<CommandError> for ApiError {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::Forbidden(error) => error.into(),
            CommandError::UnknownKind | CommandError::Devices { .. } | CommandError::NotOfDevices { .. } => {
                Self::malformed(error.to_string())
            }
            CommandError::NoGateway { .. } => Self::not_found("gateway"),
            CommandError::Store(error) => error.into(),
        }
    }
}

impl From<CustomersError> for ApiError {
    fn from(error: CustomersError) -> Self {
        match error {
            CustomersError::Forbidden(error) => error.into(),
            CustomersError::WholeTenant => Self::new(ProblemCode::Forbidden, error.to_string()),
            CustomersError::Tree(error) => error.into(),
        }
    }
}

impl From<AccountError> for ApiError {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::Forbidden(error) => error.into(),
            AccountError::Own => Self::new(ProblemCode::Conflict, error.to_string()),
            AccountError::Name { .. } | AccountError::Weak(_) => Self::malformed(error.to_string()),
            AccountError::NoInvitation => Self::new(ProblemCode::NotFound, error.to_string()),
            AccountError::Change(error) => error.into(),
            AccountError::Hash(error) => error.into(),
        }
    }
}

impl From<ChangeError> for ApiError {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::NotFound { what } => Self::not_found(what),
            ChangeError::Field(_)
            | ChangeError::Placement(PlacementError::Time { .. } | PlacementError::NoIdentity { .. }) => {
                Self::malformed(error.to_string())
            }
            ChangeError::Placement(_)
            | ChangeError::Taken { .. }
            | ChangeError::NotEmpty { .. }
            | ChangeError::HasAdministrator
            | ChangeError::LastAdministrator => Self::new(ProblemCode::Conflict, error.to_string()),
            ChangeError::Version { current } => Self::changed(current),
            ChangeError::Store(error) => error.into(),
        }
    }
}

impl From<AuditError> for ApiError {
    fn from(error: AuditError) -> Self {
        match error {
            AuditError::Forbidden(error) => error.into(),
            AuditError::TooMany => Self::malformed(error.to_string()),
            AuditError::Store(error) => error.into(),
        }
    }
}

impl From<SettingsError> for ApiError {
    fn from(error: SettingsError) -> Self {
        match error {
            SettingsError::Forbidden(error) => error.into(),
            SettingsError::Store(error) => error.into(),
        }
    }
}

impl From<FileError> for ApiError {
    fn from(error: FileError) -> Self {
        match error {
            FileError::Customers(error) => error.into(),
            FileError::Read(error) => Self::internal(&error),
            FileError::NoColumn { .. }
            | FileError::UnknownColumn { .. }
            | FileError::Encoding { .. }
            | FileError::TooLong
            | FileError::Csv(_) => Self::malformed(error.to_string()),
        }
    }
}

impl From<QuarantineError> for ApiError {
    fn from(error: QuarantineError) -> Self {
        match error {
            QuarantineError::Forbidden(error) => error.into(),
            QuarantineError::Store(error) => error.into(),
        }
    }
}

impl ApiError {
    /// An error of a roll-out, with the remedy that `interface` offers.
    pub(crate) fn of_rollout(error: OrderError, interface: Interface) -> Self {
        let code = match error {
            OrderError::Forbidden(error) => return error.into(),
            OrderError::Rollout(RolloutError::Store(error)) => return error.into(),
            OrderError::Rollout(RolloutError::Plan(PlanError::Field { .. } | PlanError::Past { .. })) => {
                ProblemCode::MalformedBody
            }
            OrderError::Rollout(RolloutError::NotFound { .. }) => ProblemCode::NotFound,
            OrderError::Unreachable { .. } => ProblemCode::Overloaded,
            OrderError::NoGlobalServer { .. }
            | OrderError::NotPublished { .. }
            | OrderError::NotEnded { .. }
            | OrderError::NothingFailed { .. }
            | OrderError::Rollout(
                RolloutError::Outside { .. }
                | RolloutError::Plan(
                    PlanError::UnknownModel { .. }
                    | PlanError::UpToDate { .. }
                    | PlanError::Overlap { .. }
                    | PlanError::Downgrade { .. },
                )
                | RolloutError::Ended { .. },
            ) => ProblemCode::Conflict,
        };
        Self::new(code, error.message(interface))
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        ProblemResponse(self.0).into_response()
    }
}

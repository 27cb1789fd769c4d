//! Codes of authenticators (RFC 6238): SHA-1, six digits, 30 seconds, which every authenticator supports.

use comm_server_core::second_factor::{RECOVERY_LETTERS, recovery_code};
use totp_rs::{Builder, Secret, Totp};

use crate::services::HashError;

/// Octets of a secret (RFC 4226, section 4, R6).
const SECRET_BYTES: usize = 20;

/// The issuer that an authenticator shows.
const ISSUER: &str = "Platen";

/// A new secret, base 32.
///
/// # Errors
/// The system's random number generator failed.
pub(super) fn fresh_secret() -> Result<String, HashError> {
    let mut octets = [0_u8; SECRET_BYTES];
    aws_lc_rs::rand::fill(&mut octets).map_err(|_| HashError::NoRandom)?;
    Ok(data_encoding::BASE32_NOPAD.encode(&octets))
}

/// A new recovery code.
///
/// # Errors
/// The system's random number generator failed.
pub(super) fn fresh_recovery_code() -> Result<String, HashError> {
    let mut octets = [0_u8; RECOVERY_LETTERS];
    aws_lc_rs::rand::fill(&mut octets).map_err(|_| HashError::NoRandom)?;
    Ok(recovery_code(&octets))
}

fn totp(secret: &str, user: &str) -> Option<Totp> {
    let secret = Secret::try_from_base32(secret).ok()?;
    // A label has no colon of its own.
    let account = user.replace(':', " ");
    Builder::new().with_secret(secret).with_issuer(Some(ISSUER)).with_account_name(account).build().ok()
}

/// The time step of a code: that of `now_s`, the one before or the one after; `None` for a wrong code.
pub(super) fn step_of(secret: &str, code: &str, now_s: u64) -> Option<i64> {
    let step = totp(secret, "")?.check(code, now_s)?;
    i64::try_from(step).ok()
}

/// The address in the QR code for an authenticator, `otpauth://totp/...`.
pub(super) fn address(secret: &str, user: &str) -> Option<String> {
    totp(secret, user)?.to_url().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The secret of RFC 6238, appendix B, for SHA-1: "12345678901234567890".
    const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

    /// Appendix B has eight digits; the last six of them are the code of six digits.
    #[test]
    fn codes_are_those_of_rfc_6238() {
        let table: [(u64, &str); 6] = [
            (59, "94287082"),
            (1_111_111_109, "07081804"),
            (1_111_111_111, "14050471"),
            (1_234_567_890, "89005924"),
            (2_000_000_000, "69279037"),
            (20_000_000_000, "65353130"),
        ];
        for (time, code) in table {
            let code = code.get(2..).unwrap();
            assert_eq!(step_of(SECRET, code, time), i64::try_from(time / 30).ok(), "{time}");
        }
    }

    #[test]
    fn a_code_is_valid_one_step_before_and_after_and_no_longer() {
        let (time, code) = (1_111_111_111, "050471");
        let step = i64::try_from(time / 30).ok();
        assert_eq!(step_of(SECRET, code, time + 30), step);
        assert_eq!(step_of(SECRET, code, time - 30), step);
        assert_eq!(step_of(SECRET, code, time + 60), None);
        assert_eq!(step_of(SECRET, code, time - 60), None);
        for wrong in ["050472", "", "05047", "0504710", "x50471"] {
            assert_eq!(step_of(SECRET, wrong, time), None, "{wrong}");
        }
        assert_eq!(step_of("no base 32!", code, time), None);
    }

    #[test]
    fn secrets_are_long_and_stand_in_the_address() {
        let (one, two) = (fresh_secret().unwrap(), fresh_secret().unwrap());
        assert!(one.len() == 32 && one != two, "{one}");
        let address = address(&one, "kim: the second").unwrap();
        assert!(address.starts_with("otpauth://totp/Platen:kim") && address.contains(&one), "{address}");
        assert_eq!(fresh_recovery_code().unwrap().len(), RECOVERY_LETTERS);
    }

    /// pyotp (PyPI) as an independent peer: it reads the address, and its codes are accepted.
    #[test]
    fn another_program_reads_the_address_and_makes_the_same_codes() {
        let Some(python) = std::env::var_os("PLATEN_PYTHON") else {
            eprintln!("skipped: PLATEN_PYTHON names no Python; ./test installs one with pyotp");
            return;
        };
        const PROGRAM: &str = "import pyotp, sys\nt = pyotp.parse_uri(sys.argv[1])\n\
            print(t.issuer, t.name, t.digits, t.interval, *(t.at(int(time)) for time in sys.argv[2:]))";
        let (secret, times) = (fresh_secret().unwrap(), [59_u64, 1_764_460_800, 4_102_444_800]);
        let mut command = std::process::Command::new(python);
        command
            .args(["-c", PROGRAM, &address(&secret, "kim").unwrap()])
            .args(times.map(|time| time.to_string()));
        let output = command.output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let words: Vec<&str> = said.split_whitespace().collect();
        assert_eq!(words.get(..4), Some(&["Platen", "kim", "6", "30"][..]), "{said}");
        for (time, code) in times.into_iter().zip(words.iter().skip(4)) {
            assert_eq!(step_of(&secret, code, time), i64::try_from(time / 30).ok(), "{time} {code}");
        }
    }
}

//! What the stack's parameters decide.

use bisonflow_contract::StepError;
use bisonflow_contract::drift::DriftLimits;

/// What the stack decides of comparing, approving and keeping runs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Settings {
    /// From which change on a run is noted and held.
    pub limits: DriftLimits,
    /// Whether a person has to approve of a held run.
    pub hold_for_approval: bool,
    /// How many published runs are kept; 0 is all.
    pub keep_runs: usize,
}

impl Settings {
    /// The settings that the variables of these names hold.
    ///
    /// # Errors
    /// [`StepError::Internal`] naming the variable, what it holds and what is expected.
    pub fn parse<'a>(var: impl Fn(&str) -> &'a str) -> Result<Settings, StepError> {
        let wrong = |name: &str, expected: &str| {
            StepError::Internal(format!(
                "environment variable {name}: found {:?}, expected {expected}; correct it in template.yaml",
                var(name)
            ))
        };
        let percent = |name: &str| {
            let value: Option<f64> = var(name).parse().ok();
            value
                .filter(|value| value.is_finite() && *value > 0.0)
                .ok_or_else(|| wrong(name, "a number of per cent above 0"))
        };
        Ok(Settings {
            limits: DriftLimits {
                warn_percent: percent("DRIFT_WARN_PERCENT")?,
                hold_percent: percent("DRIFT_HOLD_PERCENT")?,
            },
            hold_for_approval: var("HOLD_FOR_APPROVAL")
                .parse()
                .map_err(|_| wrong("HOLD_FOR_APPROVAL", "true or false"))?,
            keep_runs: var("KEEP_RUNS")
                .parse()
                .map_err(|_| wrong("KEEP_RUNS", "a number of runs, 0 for all"))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_and_wrong_ones_named() {
        let given = |hold: &'static str| {
            move |name: &str| match name {
                "DRIFT_WARN_PERCENT" => "5",
                "DRIFT_HOLD_PERCENT" => "20.5",
                "HOLD_FOR_APPROVAL" => hold,
                _ => "3",
            }
        };
        let settings = Settings::parse(given("true")).unwrap();
        assert_eq!((settings.limits.hold_percent, settings.keep_runs), (20.5, 3));
        assert!(settings.hold_for_approval);
        let error = Settings::parse(given("yes")).unwrap_err().to_string();
        assert!(error.contains("HOLD_FOR_APPROVAL") && error.contains("\"yes\""), "{error}");
        let error = Settings::parse(|_| "-1").unwrap_err().to_string();
        assert!(error.contains("DRIFT_WARN_PERCENT"), "{error}");
    }
}

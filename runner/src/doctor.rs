//! `campaign-runner doctor`: tells in plain words whether this host can send, step by step.

use std::io::Write;

use anyhow::Context;
use clap::Args;
use uuid::Uuid;

use crate::config::{Flags, Settings};
use crate::fence::{Fence, boot_time};
use crate::probe::{PATIENCE, probe};
use crate::smtp::NetDialer;
use crate::storage::{IntegrationName, StepResult, Storage, StorageError};

/// Checks from this host: the database, the installation, and each integration up to the login
///
/// Nothing is written, and no mail is sent unless an address is given. Exit code 1: something failed.
#[derive(Debug, Clone, Args)]
pub struct DoctorArgs {
    /// Name or id of the integration to check [default: all]
    #[arg(long, value_name = "NAME")]
    pub integration: Option<String>,
    /// Sends a test mail to this address over each integration that is checked
    #[arg(long, value_name = "ADDRESS")]
    pub to: Option<String>,
    #[command(flatten)]
    pub flags: Flags,
}

/// # Errors
/// Something failed, or standard output is closed.
pub async fn run(settings: &Settings, args: &DoctorArgs) -> anyhow::Result<()> {
    let storage = Storage::new(settings.database.to_config(), Uuid::new_v4())?;
    let mut report = Report::default();
    let integrations = match look_at(&storage, settings, &mut report).await {
        Ok(integrations) => integrations,
        Err(error) => {
            report.lines("database", &[failed("connect", error.to_string())])?;
            return report.conclude();
        }
    };
    let wanted = |integration: &&IntegrationName| match &args.integration {
        None => true,
        Some(name) => integration.name == *name || integration.id.to_string() == *name,
    };
    let chosen: Vec<_> = integrations.iter().filter(wanted).collect();
    if chosen.is_empty() {
        let names = integrations
            .iter()
            .map(|integration| integration.name.as_str());
        let why = match &args.integration {
            Some(name) if !integrations.is_empty() => {
                let names = Vec::from_iter(names).join(", ");
                format!("there is no integration {name}; there are {names}")
            }
            _ => {
                "there is none yet; add one in psql: select campaign.add_integration(…)".to_owned()
            }
        };
        report.lines("integrations", &[failed("find", why)])?;
    }
    let dialer = NetDialer::default();
    for integration in chosen {
        let spec = storage
            .integration_spec(integration.id)
            .await
            .context("the settings of an integration cannot be read")?;
        let title = match integration.is_default {
            true => format!("{} ({}:{}, the default)", spec.name, spec.host, spec.port),
            false => format!("{} ({}:{})", spec.name, spec.host, spec.port),
        };
        let alive = Fence::new(PATIENCE, boot_time(), boot_time);
        report.lines(
            &title,
            &probe(&spec, args.to.as_deref(), &dialer, alive).await,
        )?;
    }
    report.conclude()
}

async fn look_at(
    storage: &Storage,
    settings: &Settings,
    report: &mut Report,
) -> Result<Vec<IntegrationName>, StorageError> {
    let checks = storage.check_installation().await?;
    let database = &settings.database;
    let steps: Vec<StepResult> = (checks.iter())
        .map(|check| StepResult {
            step: check.name.clone().into(),
            result: if check.holds { "ok" } else { "failed" },
            detail: check.detail.clone(),
        })
        .collect();
    let title = format!("database ({}:{})", database.host, database.port);
    if let Err(error) = report.lines(&title, &steps) {
        return Err(StorageError::Other(error.to_string()));
    }
    storage.list_integrations().await
}

fn failed(step: &'static str, detail: String) -> StepResult {
    StepResult {
        step: step.into(),
        result: "failed",
        detail,
    }
}

#[derive(Default)]
struct Report {
    failures: usize,
}

impl Report {
    fn lines(&mut self, title: &str, steps: &[StepResult]) -> std::io::Result<()> {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{title}")?;
        for step in steps {
            self.failures += usize::from(step.result == "failed");
            // A reply has several lines; the next ones stand below the first.
            let detail = step.detail.replace('\n', "\n                       ");
            writeln!(out, "  {:<12} {:<7} {detail}", step.step, step.result)?;
        }
        out.flush()
    }

    fn conclude(&self) -> anyhow::Result<()> {
        match self.failures {
            0 => Ok(()),
            1 => anyhow::bail!("one step failed"),
            n => anyhow::bail!("{n} steps failed"),
        }
    }
}

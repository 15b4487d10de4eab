//! `RunService`.

use std::fmt::Write;
use std::pin::Pin;

use futures::{Stream, StreamExt, stream};
use linkage_proto::v1::run_service_server::RunService;
use linkage_proto::v1::{
    CancelRunRequest, CancelRunResponse, ExactConflicts, ExplainRunRequest, ExplainRunResponse, ListRunsRequest,
    ListRunsResponse, RecallCertificate, RunState as WireState, RunStatus, StartRunRequest, StartRunResponse,
    WatchRunRequest,
};
use time::OffsetDateTime;
use tokio_stream::wrappers::WatchStream;
use tonic::{Request, Response, Status};

use super::access::Rpc;
use super::denial::Denial;
use super::desk::{Desk, Visit};
use crate::audit::{Label, Outcome};
use crate::error::RunError;
use crate::permit::{Refusal, RunRequest};
use crate::policy::shown;
use crate::role::{ProjectId, Role};
use crate::run::{self, Stop};
use crate::store::{Certificate, Conflicts, Means, RunRecord, RunState};

/// Whether a status says what the run counted.
#[derive(Clone, Copy)]
enum Counts {
    Shown,
    Withheld,
}

type Statuses = Pin<Box<dyn Stream<Item = Result<RunStatus, Status>> + Send>>;

#[tonic::async_trait]
impl RunService for Desk {
    type WatchStream = Statuses;

    async fn start(&self, request: Request<StartRunRequest>) -> Result<Response<StartRunResponse>, Status> {
        let mut visit = self.admit(Rpc::RunStart, &request).await?;
        let permit_id = request.into_inner().permit_id;
        visit.concerns("permit", &permit_id);
        let outcome = self.start_run(&mut visit, &permit_id).await;
        self.answer(visit, outcome).await
    }

    async fn watch(&self, request: Request<WatchRunRequest>) -> Result<Response<Statuses>, Status> {
        let mut visit = self.admit(Rpc::RunWatch, &request).await?;
        let outcome = self.watch_run(&mut visit, &request.into_inner().run_id).await;
        self.answer(visit, outcome).await
    }

    async fn explain(&self, request: Request<ExplainRunRequest>) -> Result<Response<ExplainRunResponse>, Status> {
        let mut visit = self.admit(Rpc::RunExplain, &request).await?;
        let outcome = self.explain_run(&mut visit, &request.into_inner().run_id).await;
        self.answer(visit, outcome).await
    }

    async fn cancel(&self, request: Request<CancelRunRequest>) -> Result<Response<CancelRunResponse>, Status> {
        let mut visit = self.admit(Rpc::RunCancel, &request).await?;
        let outcome = self.cancel_run(&mut visit, &request.into_inner().run_id).await;
        self.answer(visit, outcome).await
    }

    async fn list(&self, request: Request<ListRunsRequest>) -> Result<Response<ListRunsResponse>, Status> {
        let visit = self.admit(Rpc::RunList, &request).await?;
        let project = match visit.role() {
            Role::Project(project) => Some(project),
            _ => None,
        };
        let outcome = self.list_runs(&visit, project).await;
        self.answer(visit, outcome).await
    }
}

impl Desk {
    async fn start_run(&self, visit: &mut Visit, permit_id: &str) -> Result<StartRunResponse, Denial> {
        let Role::Project(project) = visit.role().clone() else {
            return Err(Denial::internal(&"a run was admitted that is no project's"));
        };
        let permitted = self.unit().permitted(&visit.caller, permit_id, |permit| {
            // A run is over all databases of the permit, in the permit's class.
            let statement = permit.ok_or(Refusal::NoPermit)?.permit().statement();
            Ok(RunRequest { project, databases: statement.databases.clone(), class: statement.class })
        });
        let (permitted, caller) = (permitted.await?, visit.caller.clone());
        let entry = |run: &RunRecord| {
            if let Ok(label) = run.id.parse::<Label>() {
                visit.note("run", label);
            }
            visit.note("candidates", Label::fixed(run.candidates.as_str()));
            visit.entry(Outcome::Allowed)
        };
        let run = run::start(self.unit(), &caller, permitted, OffsetDateTime::now_utc(), entry).await?;
        visit.mark_recorded();
        Ok(StartRunResponse { run: Some(self.status(run, Counts::Shown)) })
    }

    /// The run with this id, if it is the caller's project's. Another project's is as good as none.
    async fn own_run(&self, visit: &mut Visit, id: &str) -> Result<RunRecord, Denial> {
        visit.concerns("run", id);
        let run = self.unit().store().run(id).await?;
        let own = run.filter(|run| matches!(visit.role(), Role::Project(project) if *project == run.project));
        Ok(own.ok_or(RunError::NoRun)?)
    }

    async fn list_runs(&self, visit: &Visit, project: Option<&ProjectId>) -> Result<ListRunsResponse, Denial> {
        let mut runs = Vec::new();
        for run in self.unit().store().runs(project).await? {
            let counts = self.counts(visit, &run).await;
            runs.push(self.status(run, counts));
        }
        Ok(ListRunsResponse { runs })
    }

    /// Whether the caller may see what a run counted: the operator, who has the tokens, and whom the run's permit names
    /// as it stands now.
    async fn counts(&self, visit: &Visit, run: &RunRecord) -> Counts {
        match *visit.role() == Role::Operator || self.permitted_release(&visit.caller, run).await.is_ok() {
            true => Counts::Shown,
            false => Counts::Withheld,
        }
    }

    /// The progress of a run that is under way, or its one final status.
    async fn watch_run(&self, visit: &mut Visit, id: &str) -> Result<Statuses, Denial> {
        let run = self.own_run(visit, id).await?;
        let counts = self.counts(visit, &run).await;
        let desk = self.clone();
        Ok(match self.unit().runs().watch(&run.id) {
            // The sender's last value is the final state, and the stream ends with the sender.
            Some(progress) => WatchStream::new(progress).map(move |run| Ok(desk.status(run, counts))).boxed(),
            None => {
                let id = run.id;
                // It may have ended since it was looked up, so it is looked up again.
                let last = async move {
                    let run = desk.unit().store().run(&id).await.map_err(Denial::from).map_err(Denial::into_status)?;
                    run.map(|run| desk.status(run, counts)).ok_or_else(|| Denial::from(RunError::NoRun).into_status())
                };
                stream::once(last).boxed()
            }
        })
    }

    async fn explain_run(&self, visit: &mut Visit, id: &str) -> Result<ExplainRunResponse, Denial> {
        let run = self.own_run(visit, id).await?;
        self.permitted_release(&visit.caller, &run).await?;
        let cell = self.unit().config().policy.smallest_cell;
        let mut text =
            format!("run {}: {}, threshold {}, candidates {}\n", run.id, run.state, run.threshold, run.candidates);
        if let Some(findings) = &run.findings {
            let _ = writeln!(text, "\n{findings}");
        }
        for pair in self.unit().store().run_pairs(id).await? {
            let (left, right, ms) = (&pair.left, &pair.right, pair.elapsed_ms);
            let (exact, dice) = (shown(pair.exact_pairs, cell), shown(pair.dice_pairs, cell));
            let (compared, aborted) = (shown(pair.compared, cell), shown(pair.aborted, cell));
            let mut counts =
                format!("exact {exact}, dice {dice}, compared {compared}, aborted early {aborted}, {ms} ms");
            let of_pair = run.conflicts.iter().find(|of_pair| of_pair.left == *left && of_pair.right == *right);
            if let Some(of_pair) = of_pair {
                counts += &format!(", exact below the threshold {}", shown(of_pair.below_threshold, cell));
                if let Some(rivals) = of_pair.with_rival {
                    counts += &format!(", exact of a record that is more like another one {}", shown(rivals, cell));
                }
            }
            // Writing to a string cannot fail.
            let _ = writeln!(text, "\n{left} – {right}: {counts}\n{}", pair.plan.trim_end());
        }
        Ok(ExplainRunResponse { text })
    }

    async fn cancel_run(&self, visit: &mut Visit, id: &str) -> Result<CancelRunResponse, Denial> {
        let run = self.own_run(visit, id).await?;
        // Any member may end a run, and nobody else who holds a credential of the project.
        self.permitted_release(&visit.caller, &run).await?;
        let mut progress = self.unit().runs().watch(id).ok_or(RunError::Ended)?;
        if run.state.is_final() || !self.unit().runs().stop(id, Stop::Cancelled) {
            return Err(RunError::Ended.into());
        }
        // An error here means that the run has just ended; its last value says how.
        let _ = progress.wait_for(|run| run.state.is_final()).await;
        let run = progress.borrow().clone();
        Ok(CancelRunResponse { run: Some(self.status(run, Counts::Shown)) })
    }

    fn status(&self, run: RunRecord, counts: Counts) -> RunStatus {
        let cell = self.unit().config().policy.smallest_cell;
        let known = |count: Option<u64>| match counts {
            Counts::Shown => count.map(|count| shown(count, cell)).unwrap_or_default(),
            Counts::Withheld => String::new(),
        };
        let state = match run.state {
            RunState::Queued => WireState::Queued,
            RunState::Running => WireState::Running,
            RunState::Done => WireState::Done,
            RunState::Failed => WireState::Failed,
            RunState::Cancelled => WireState::Cancelled,
        };
        let certificates = match counts {
            Counts::Shown => run.certificates.iter().map(|certificate| certified(certificate, cell)).collect(),
            Counts::Withheld => Vec::new(),
        };
        let conflicts = match counts {
            Counts::Shown => run.conflicts.iter().map(|of_pair| conflicting(of_pair, cell)).collect(),
            Counts::Withheld => Vec::new(),
        };
        RunStatus {
            run_id: run.id,
            permit_id: run.permit_id,
            project: run.project.to_string(),
            state: state.into(),
            threshold: run.threshold,
            database_pairs_done: run.pairs_done,
            database_pairs: run.pairs,
            compared_pairs: run.compared,
            elapsed_ms: run.elapsed_ms,
            linkage_keys: known(run.clusters),
            failure: run.failure.unwrap_or_default(),
            created_at: run.created_at,
            finished_at: run.finished_at.unwrap_or_default(),
            exact_pairs: known(run.exact_pairs),
            dice_pairs: known(run.dice_pairs),
            candidates: run.candidates.to_string(),
            recall: run.recall,
            certificates,
            conflicts,
            bands_searched: run.bands.map_or(0, |bands| bands.0),
            bands_solved: run.bands.map_or(0, |bands| bands.1),
        }
    }
}

fn conflicting(conflicts: &Conflicts, cell: u64) -> ExactConflicts {
    ExactConflicts {
        left_database: conflicts.left.to_string(),
        right_database: conflicts.right.to_string(),
        exact_pairs: shown(conflicts.exact_pairs, cell),
        below_threshold: shown(conflicts.below_threshold, cell),
        with_rival: conflicts.with_rival.map(|rivals| shown(rivals, cell)).unwrap_or_default(),
    }
}

fn certified(certificate: &Certificate, cell: u64) -> RecallCertificate {
    let mut message = RecallCertificate {
        left_database: certificate.left.to_string(),
        right_database: certificate.right.to_string(),
        candidates: certificate.means.as_str().to_owned(),
        demand: certificate.demand,
        certified: certificate.certified() == Some(true),
        sample_rows: certificate.sample_rows,
        sample_pairs: shown(certificate.sample_pairs, cell),
        found_pairs: shown(certificate.found_pairs, cell),
        recall: certificate.recall,
        lower: certificate.lower,
        upper: certificate.upper,
        compared_pairs: shown(certificate.candidates, cell),
        ..RecallCertificate::default()
    };
    match certificate.means {
        Means::Bands { bits, solved, searched, capped_blocks, uncompared, lost } => {
            (message.bits, message.bands_solved, message.bands_searched) = (bits, solved, searched);
            (message.capped_blocks, message.capped_pairs, message.capped_lost) = (capped_blocks, uncompared, lost);
        }
        Means::Keyed { reduction_ratio } => message.reduction_ratio = reduction_ratio,
    }
    message
}

"""What each command does to the database. One module for each subject of ``command/``."""

from collections.abc import Callable
from typing import Any, TypeVar

from idlegrid_server.faults import reach
from idlegrid_server.store import command as c
from idlegrid_server.store.connection import Connection

from . import (
    account,
    app,
    batch,
    checkpoint,
    exchange,
    file,
    hold,
    host,
    job,
    plan,
    refusal,
    revalidation,
    share,
    submission,
    validation,
)

R = TypeVar("R", bound=c.Result)

_DO: dict[type[c.Command[Any]], Callable[[Connection, Any], c.Result]] = {
    c.Exchange: exchange.exchange,
    c.RecordRefusals: refusal.record,
    c.EnrolHost: host.enrol,
    c.SetHostState: host.set_state,
    c.SetHostLimit: host.set_limit,
    c.SetHostHouse: host.set_house,
    c.ReleaseHosts: host.release,
    c.RecheckHost: hold.recheck_host,
    c.AuditUnits: hold.audit_units,
    c.AssignHostAccount: host.assign_account,
    c.CreateAccount: account.create,
    c.SetPassword: account.set_password,
    c.SetAccountDisabled: account.set_disabled,
    c.CreateToken: account.create_token,
    c.RevokeToken: account.revoke_token,
    c.UseToken: account.use_token,
    c.SetSetting: account.set_setting,
    c.RecordIncident: account.record_incident,
    c.AddFile: file.add,
    c.OpenUpload: file.open_upload,
    c.FinishUpload: file.finish_upload,
    c.DropExpiredUploads: file.drop_expired_uploads,
    c.KeepCheckpoint: checkpoint.keep,
    c.DropIdleCheckpoints: checkpoint.drop_idle,
    c.AddAppVersion: app.add_version,
    c.DeprecateAppVersion: app.deprecate_version,
    c.SetShare: share.set_share,
    c.SetAppCap: share.set_app_cap,
    c.SetUrgency: share.set_urgency,
    c.RecountBusy: share.recount_busy,
    c.CreateBatch: submission.create,
    c.InsertUnits: submission.insert_units,
    c.StartBatch: submission.start,
    c.FailBatch: batch.fail,
    c.PauseBatch: batch.pause,
    c.ResumeBatch: batch.resume,
    c.CancelBatch: batch.cancel,
    c.AddAnswer: batch.add_answer,
    c.ApplyUnitPlans: plan.apply_unit_plans,
    c.ApplyBatchPlan: batch.apply_plan,
    c.SettleStage: batch.settle_stage,
    c.ReleaseUnits: submission.release_units,
    c.ClaimJob: job.claim,
    c.RenewJob: job.renew,
    c.FinishJob: job.finish,
    c.FailJob: job.fail,
    c.ReleaseExpiredJobs: job.release_expired,
    c.CompleteServerUnit: job.complete_server_unit,
    c.AddFindings: validation.add_findings,
    c.TryValidator: revalidation.try_validator,
    c.ReportRevalidation: revalidation.report,
    c.ApplyRevalidation: revalidation.apply,
    c.ReopenUnits: revalidation.reopen_units,
}


def apply(db: Connection, command: c.Command[R]) -> R:
    """Do ``command`` inside the open transaction of ``db``; raises :class:`StoreError`."""
    reach("store.command.before")
    result = _DO[type(command)](db, command)
    reach("store.command.after")
    return result  # type: ignore[return-value]

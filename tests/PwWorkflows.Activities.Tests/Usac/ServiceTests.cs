using System.Text;
using System.Text.Json.Nodes;
using Elsa.Workflows.Runtime;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using PwWorkflows.Activities.Approvals;
using PwWorkflows.Activities.Filings;
using PwWorkflows.Activities.Notifications;
using PwWorkflows.Activities.Orders;
using PwWorkflows.Activities.Storage;
using PwWorkflows.Activities.Tests.Filings;
using PwWorkflows.Activities.Usac;

namespace PwWorkflows.Activities.Tests.Usac;

/// <summary>The steps of service-fcc-499a over real tables, a real object folder, a real browser and the sandbox portal.</summary>
[Collection("usac-portal")]
public sealed class ServiceTests : IAsyncLifetime
{
    const string Order = SampleForm.OrderNumber;

    readonly PortalFixture _portal;
    readonly ToDosInMemory _todos = new();
    readonly EventsInMemory _events = new();
    readonly LinesInMemory _log = new();
    TestDatabase _database = null!;
    FolderObjectStore _store = null!;
    OrderStore _orders = null!;
    UsacSessions _sessions = null!;
    FilingEvidence _evidence = null!;
    OfficerAuthorizations _authorizations = null!;
    Form499AService _service = null!;

    public ServiceTests(PortalFixture portal)
    {
        _portal = portal;
        _portal.Clean();
    }

    static CancellationToken Ct => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _database = await TestDatabase.CreateAsync(Ct);
        _store = new(Path.Combine(_database.Folder, "objects"));
        _orders = new(_database, TimeProvider.System);
        var portal = _portal.Portal();
        _sessions = new(_store, portal, _portal.Options, TimeProvider.System);
        _evidence = new(_store, _database, _portal.Options, TimeProvider.System);
        _authorizations = new(_database, _events, TimeProvider.System);
        _service = new(_orders, _database, _todos, _sessions, portal, _evidence, _authorizations, new FilingApprovals(new ApprovalStore(_database), new ApprovalOptions()), new LedgerInMemory(), _store, _portal.Options, TimeProvider.System, _log);
        await _orders.SaveEntityAsync(SampleForm.Entity, Ct);
    }

    public ValueTask DisposeAsync() => _database.DisposeAsync();

    async Task PlaceAsync(Action<JsonObject>? change = null, bool authorized = true)
    {
        var intake = SampleForm.Intake();
        change?.Invoke(intake);
        if (authorized) intake["officer_authorization"] = SampleForm.Authorize(Form499AReader.Read(intake, SampleForm.Entity, 2026).Form, TimeProvider.System.GetUtcNow()).ToJson();
        await _orders.AddAsync(new(Order, "fcc-499a", "Sandbox Voice LLC", "billing@sandboxvoice.test") { TelecomEntityId = 1, IntakeData = intake, PaymentStatus = PaymentStatuses.Paid }, Ct);
    }

    Task SignInAsync() => _sessions.SaveAsync(1, _portal.SignedIn(), Ct);

    async Task<Order> CommittedAsync()
    {
        await _database.CommitAsync(Ct);
        return (await _orders.GetAsync(Order, Ct))!;
    }

    UsacSessionWatch Watch() => new(_database, _sessions, _events, _portal.Options, TimeProvider.System, NullLogger<UsacSessionWatch>.Instance);

    [Fact]
    public async Task An_authorized_order_is_filed_and_its_evidence_verifies()
    {
        await PlaceAsync();
        await SignInAsync();
        Assert.Empty((await _service.CheckIntakeAsync(Order, "", Ct)).Faults);
        Assert.IsType<UsacSession.Ready>(await _service.OpenSessionAsync(Order, Ct));
        var filed = Assert.IsType<FilingOutcome.Filed>(await _service.FileAsync(Order, "", Ct));
        var record = await _service.KeepEvidenceAsync(Order, "", filed.Form, "v1", "i1", Ct);

        var order = await CommittedAsync();
        Assert.Equal(FulfillmentStatuses.Filed, order.FulfillmentStatus);
        Assert.Equal(filed.Form.ConfirmationNumber, order.FilingStatus["confirmation_number"]!.GetValue<string>());
        Assert.Equal($"filings/fcc-499a/{Order}/evidence", order.FilingStatus["evidence"]!.GetValue<string>());
        var report = await new EvidenceVerifier(_store, _database, _portal.Options).VerifyAsync(null, Ct);
        Assert.True(report.IsGood, string.Join('\n', report.Faults));
        Assert.True(report.Files >= 19, $"only {report.Files} files");
        var manifest = Encoding.UTF8.GetString((await _store.GetAsync("filings", record.ManifestKey, Ct))!.Content.Span);
        Assert.Contains(SampleForm.Form().ValuesSha256(), manifest, StringComparison.Ordinal);

        // A step that is repeated after all touches neither portal nor evidence.
        _portal.Usac.Log.Clear();
        Assert.Equal(filed.Form, Assert.IsType<FilingOutcome.Filed>(await _service.FileAsync(Order, "", Ct)).Form);
        Assert.Empty(_portal.Usac.Log.Read());
    }

    [Fact]
    public async Task No_cookie_of_the_session_is_in_what_was_kept()
    {
        await PlaceAsync();
        await SignInAsync();
        var filed = Assert.IsType<FilingOutcome.Filed>(await _service.FileAsync(Order, "", Ct));
        await _service.KeepEvidenceAsync(Order, "", filed.Form, "v1", "i1", Ct);
        await _database.CommitAsync(Ct);
        var state = JsonNode.Parse((await _store.GetAsync(_portal.Options.StorageBucket, UsacSessions.Key(1), Ct))!.Content.Span)!;
        var cookies = state["cookies"]!.AsArray().Select(c => c!["value"]!.GetValue<string>()).ToList();
        Assert.NotEmpty(cookies);

        await foreach (var key in _store.ListAsync("filings", "", Ct))
        {
            var text = Encoding.Latin1.GetString((await _store.GetAsync("filings", key, Ct))!.Content.Span);
            Assert.All(cookies, c => Assert.DoesNotContain(c, text, StringComparison.Ordinal));
        }

        var database = Encoding.Latin1.GetString(await File.ReadAllBytesAsync(Path.Combine(_database.Folder, "pw.db"), Ct));
        Assert.All(cookies, c => Assert.DoesNotContain(c, database, StringComparison.Ordinal));
        Assert.All(cookies, c => Assert.DoesNotContain(c, string.Join('\n', _log.Lines), StringComparison.Ordinal));
    }

    [Fact]
    public async Task Missing_answers_make_one_ToDo_that_closes_when_they_are_there()
    {
        await PlaceAsync(i => i["filing_type"] = "");
        Assert.Equal("612", Assert.Single((await _service.CheckIntakeAsync(Order, "", Ct)).Faults).Line);
        Assert.Equal(FulfillmentStatuses.AwaitingIntake, (await CommittedAsync()).FulfillmentStatus);
        Assert.Contains("Line 612 (filing_type)", _todos.Open["intake-incomplete"], StringComparison.Ordinal);

        await _database.ExecuteAsync("UPDATE compliance_orders SET intake_data = @i", PwWorkflows.Activities.Data.Parameters.Of(("i", SampleForm.Intake().ToJsonString())), Ct);
        Assert.Empty((await _service.CheckIntakeAsync(Order, "", Ct)).Faults);
        Assert.Empty(_todos.Open);
        Assert.Equal(FulfillmentStatuses.InProgress, (await CommittedAsync()).FulfillmentStatus);
    }

    [Fact]
    public async Task An_unsigned_engagement_letter_holds_the_filing()
    {
        await PlaceAsync();
        await _database.RunAsync("UPDATE compliance_orders SET engagement_esign_required = 1", Ct);
        Assert.Equal("engagement_esign_signed_at", Assert.Single((await _service.CheckIntakeAsync(Order, "", Ct)).Faults).Field);
    }

    [Fact]
    public async Task A_missing_session_waits_and_the_watch_wakes_the_order_when_it_is_there()
    {
        await PlaceAsync();
        Assert.IsType<UsacSession.Missing>(await _service.OpenSessionAsync(Order, Ct));
        Assert.Equal(FulfillmentStatuses.WaitingOnActivation, (await CommittedAsync()).FulfillmentStatus);
        Assert.Contains("usac/1/storage_state.json", _todos.Open["usac-session-missing"], StringComparison.Ordinal);
        Assert.Equal(0, await Watch().LookAsync(Ct));

        await SignInAsync();
        Assert.Equal(1, await Watch().LookAsync(Ct));
        Assert.Equal(["usac-session:" + Order], _events.Published);
        Assert.Equal(0, await Watch().LookAsync(Ct));
        Assert.IsType<UsacSession.Ready>(await _service.OpenSessionAsync(Order, Ct));
        Assert.Empty(_todos.Open);
    }

    [Fact]
    public async Task A_session_the_portal_refused_does_not_wake_the_order_again_and_again()
    {
        await PlaceAsync();
        await SignInAsync();
        _portal.Usac.ExpireSessions();
        Assert.IsType<UsacSession.Expired>(await _service.OpenSessionAsync(Order, Ct));
        await _database.CommitAsync(Ct);
        Assert.Equal(0, await Watch().LookAsync(Ct));

        await SignInAsync();
        Assert.Equal(1, await Watch().LookAsync(Ct));
    }

    [Fact]
    public async Task Without_authorization_the_order_waits_for_the_named_officer_and_goes_on_when_it_is_recorded()
    {
        await PlaceAsync(authorized: false);
        await SignInAsync();
        var saved = Assert.IsType<FilingOutcome.SavedUnsubmitted>(await _service.FileAsync(Order, "", Ct));
        Assert.Equal(FulfillmentStatuses.AwaitingAuthorization, (await CommittedAsync()).FulfillmentStatus);
        Assert.Contains("for Olivia Officer", _todos.Open["officer-authorization-missing"], StringComparison.Ordinal);
        Assert.Contains(saved.ValuesSha256, _todos.Open["officer-authorization-missing"], StringComparison.Ordinal);

        await _authorizations.RecordAsync(Order, SampleForm.Authorize(SampleForm.Form(), TimeProvider.System.GetUtcNow()), "admin", Ct);
        Assert.Equal(["officer-authorization:" + Order], _events.Published);
        Assert.IsType<FilingOutcome.Filed>(await _service.FileAsync(Order, "", Ct));
        Assert.Empty(_todos.Open);
        Assert.Equal(1, _portal.Usac.CountFilings(Order));
    }

    [Fact]
    public async Task Values_the_portal_refuses_become_a_ToDo_by_line()
    {
        await PlaceAsync(i => i["frn"] = "0099999999");
        await SignInAsync();
        Assert.IsType<FilingOutcome.ValidationFailed>(await _service.FileAsync(Order, "", Ct));
        Assert.Contains("- Line 107:", _todos.Open["usac-values-refused"], StringComparison.Ordinal);
        Assert.Equal(FulfillmentStatuses.AwaitingIntake, (await CommittedAsync()).FulfillmentStatus);
    }

    [Fact]
    public async Task A_portal_that_is_down_is_an_error_worth_another_try()
    {
        await PlaceAsync();
        await SignInAsync();
        _portal.Fault("maintenance");
        await Assert.ThrowsAsync<PortalUnavailableException>(() => _service.FileAsync(Order, "", Ct));
        Assert.IsType<FilingOutcome.Filed>(await _service.FileAsync(Order, "", Ct));
    }

    [Fact]
    public async Task A_changed_page_is_an_error_for_an_operator_and_the_retry_files_once()
    {
        await PlaceAsync();
        await SignInAsync();
        _portal.Fault("changed_layout", "/block-3", field: "303.1.a");
        var changed = await Assert.ThrowsAsync<NonRetryableException>(() => _service.FileAsync(Order, "", Ct));
        Assert.Contains("303.1.a", changed.Message, StringComparison.Ordinal);
        Assert.Contains("303.1.a", _todos.Open["usac-page-changed"], StringComparison.Ordinal);

        Assert.IsType<FilingOutcome.Filed>(await _service.FileAsync(Order, "", Ct));
        Assert.Equal(1, _portal.Usac.CountFilings(Order));
        Assert.Empty(_todos.Open);
    }

    [Fact]
    public async Task A_refunded_order_is_not_filed()
    {
        await PlaceAsync();
        await SignInAsync();
        await _database.RunAsync("UPDATE compliance_orders SET payment_status = 'refunded'", Ct);
        Assert.IsType<FilingOutcome.Stopped>(await _service.FileAsync(Order, "", Ct));
        Assert.Empty(_portal.Usac.Log.Read());
    }

    [Fact]
    public async Task A_crash_between_filing_and_evidence_leaves_one_filing_and_complete_evidence()
    {
        await PlaceAsync();
        await SignInAsync();
        // The first run dies after the portal took the form: its ledger is lost with it, and so is what it had not committed.
        Assert.IsType<FilingOutcome.Filed>(await _service.FileAsync(Order, "", Ct));
        var second = new Form499AService(
            _orders, _database, _todos, _sessions, _portal.Portal(), _evidence, _authorizations, new FilingApprovals(new ApprovalStore(_database), new ApprovalOptions()), new LedgerInMemory(), _store, _portal.Options, TimeProvider.System, _log);
        var filed = Assert.IsType<FilingOutcome.Filed>(await second.FileAsync(Order, "", Ct));
        Assert.True(filed.Reconciled);
        await second.KeepEvidenceAsync(Order, "", filed.Form, "v1", "i1", Ct);
        await second.KeepEvidenceAsync(Order, "", filed.Form, "v1", "i1", Ct);

        Assert.Equal(1, _portal.Usac.CountFilings(Order));
        Assert.True((await new EvidenceVerifier(_store, _database, _portal.Options).VerifyAsync(Order, Ct)).IsGood);
        Assert.Single(await _evidence.OfOrderAsync(Order, Ct));
    }

    [Fact]
    public async Task An_order_that_needs_an_approval_is_filed_only_with_one_for_exactly_its_values()
    {
        await PlaceAsync();
        await SignInAsync();
        await _database.ExecuteAsync("UPDATE compliance_orders SET approval_required = @yes", Data.Parameters.Of(("yes", true)), Ct);
        var asked = (await _service.CheckIntakeAsync(Order, "", Ct)).Approval!;
        Assert.Contains("Sandbox Voice LLC", asked.Title, StringComparison.Ordinal);
        await _database.CommitAsync(Ct);
        var order = (await _orders.GetAsync(Order, Ct))!;
        Assert.Equal((FulfillmentStatuses.ReadyToFile, "Waits for an administrator's approval."), (order.FulfillmentStatus, order.HoldReason));
        Assert.IsType<FilingOutcome.ApprovalMissing>(await _service.FileAsync(Order, "", Ct));

        // A workflow can ask for anything under any subject: an approval counts only when people saw what is filed, and for which order.
        await ApproveAsync(asked with { Subject = asked.Subject + "0" });
        await ApproveAsync(asked with { Title = "Order pens" });
        await ApproveAsync(asked with { Details = new Dictionary<string, object?>(asked.Details) { ["Gross revenue (line 419)"] = "1 USD" } });
        await ApproveAsync(asked with { Details = asked.Details.Append(new("Note", "only a rehearsal")).ToDictionary() });
        await ApproveAsync(asked, order: "CO-0000FFFF");
        await ApproveAsync(asked, order: null);
        Assert.IsType<FilingOutcome.ApprovalMissing>(await _service.FileAsync(Order, "", Ct));
        Assert.Equal(asked.Subject, (await _service.CheckIntakeAsync(Order, "", Ct)).Approval?.Subject);
        await ApproveAsync(asked, Order);
        Assert.Null((await _service.CheckIntakeAsync(Order, "", Ct)).Approval);

        // Other values are another request.
        await _database.RunAsync("UPDATE telecom_entities SET legal_name = 'Meadow Voice LLC'", Ct);
        Assert.NotEqual(asked.Subject, (await _service.CheckIntakeAsync(Order, "", Ct)).Approval!.Subject);
        Assert.Equal(0, _portal.Usac.CountFilings(Order));
        await _database.RunAsync("UPDATE telecom_entities SET legal_name = '" + SampleForm.Entity.LegalName + "'", Ct);
        Assert.IsType<FilingOutcome.Filed>(await _service.FileAsync(Order, "", Ct));
        Assert.Equal(1, _portal.Usac.CountFilings(Order));
    }

    async Task ApproveAsync(FilingApproval asked, string? order = Order)
    {
        var (store, id, now) = (new ApprovalStore(_database), Guid.NewGuid().ToString("N"), TimeProvider.System.GetUtcNow());
        store.Enlist(new Approval(id, id, id, "drawn", asked.Title)
        {
            Subject = asked.Subject,
            OrderNumber = order,
            Details = [.. asked.Details.Select(d => new ApprovalDetail(d.Key, Convert.ToString(d.Value, System.Globalization.CultureInfo.InvariantCulture)!))],
            RequestedAt = now,
            ExpiresAt = now.AddDays(1),
        });
        await _database.CommitAsync(Ct);
        await _database.ExecuteAsync("UPDATE approvals SET status = 'approved', decided_at = @now WHERE id = @id", Data.Parameters.Of(("now", now), ("id", id)), Ct);
    }

    [Fact]
    public void The_start_of_the_service_is_logged_word_for_word()
    {
        _service.LogStart(Order);
        Assert.Equal([$"[worker] process_compliance_service: {Order} (Form499AHandler)"], _log.Lines);
    }

    sealed class ToDosInMemory : IAdminToDos
    {
        public Dictionary<string, string> Open { get; } = [];

        public Task RaiseAsync(ToDoRequest request, CancellationToken ct)
        {
            Open.TryAdd(request.Marker, request.Instructions);
            return Task.CompletedTask;
        }

        public Task CloseAsync(string order, string marker, CancellationToken ct)
        {
            Open.Remove(marker);
            return Task.CompletedTask;
        }
    }

    sealed class EventsInMemory : IEventPublisher
    {
        public List<string> Published { get; } = [];

        public Task PublishAsync(string eventName, string? correlationId = null, string? workflowInstanceId = null, string? activityInstanceId = null, object? payload = null, bool asynchronous = false, CancellationToken cancellationToken = default)
        {
            Published.Add(eventName);
            return Task.CompletedTask;
        }
    }

    sealed class LinesInMemory : ILogger<Form499AService>
    {
        public List<string> Lines { get; } = [];

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) => Lines.Add(formatter(state, exception));
    }
}

using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Time.Testing;
using PwWorkflows.Activities.Filings;
using PwWorkflows.Activities.Storage;
using PwWorkflows.Activities.Usac;
using PwWorkflows.Tests.Infrastructure;

namespace PwWorkflows.Activities.Tests.Filings;

public sealed class EvidenceOnSqliteTests : EvidenceTests
{
    protected override PostgresFixture? Postgres => null;
}

public sealed class EvidenceOnPostgresTests(PostgresFixture postgres) : EvidenceTests, IClassFixture<PostgresFixture>
{
    protected override PostgresFixture? Postgres => postgres;
}

public abstract class EvidenceTests : IAsyncLifetime
{
    protected abstract PostgresFixture? Postgres { get; }

    readonly UsacOptions _options = new();
    readonly FakeTimeProvider _clock = new(new DateTimeOffset(2026, 3, 30, 10, 0, 0, TimeSpan.Zero));
    TestDatabase _database = null!;
    FolderObjectStore _store = null!;
    FilingEvidence _evidence = null!;
    EvidenceVerifier _verifier = null!;

    static CancellationToken Ct => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _database = await TestDatabase.CreateAsync(Ct, Postgres);
        _store = new(Path.Combine(_database.Folder, "objects"));
        _evidence = new(_store, _database, _options, _clock);
        _verifier = new(_store, _database, _options);
    }

    public async ValueTask DisposeAsync()
    {
        await _database.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    static FilingManifest Filing(string order) => new()
    {
        OrderNumber = order,
        ServiceSlug = "fcc-499a",
        Form = "499-A",
        Year = 2026,
        FilerId = "831234",
        LegalName = "Sandbox Voice LLC",
        ConfirmationNumber = "499A-2026-" + order[^4..],
        Reference = order + "/abc",
        SubmittedAt = "2026-03-30T10:00:00Z",
        ValuesSha256 = new string('a', 64),
        PageMapVersion = "1",
        PageMapSha256 = new string('b', 64),
        WorkflowDefinitionVersionId = "v1",
        WorkflowInstanceId = "i-" + order,
        RecordedAt = default,
    };

    async Task<FilingRecord> KeepAsync(string order)
    {
        var folder = _evidence.Folder("fcc-499a", order);
        await folder.AddAsync("90-confirmation.png", Encoding.UTF8.GetBytes("picture of " + order), "image/png", Ct);
        await folder.AddAsync("values.json", Encoding.UTF8.GetBytes("{\"order\":\"" + order + "\"}"), "application/json", Ct);
        return await _evidence.SealAsync(Filing(order), "", Ct);
    }

    async Task<FilingRecord[]> KeepThreeAsync() => [await KeepAsync("CO-AAAA0001"), await KeepAsync("CO-AAAA0002"), await KeepAsync("CO-AAAA0003")];

    string PathOf(FilingRecord filing, string name) => _store.PathOf(filing.Bucket, filing.ManifestKey[..^"manifest.json".Length] + name);

    Task<EvidenceReport> VerifyAsync(string? order = null) => _verifier.VerifyAsync(order, Ct);

    [Fact]
    public async Task Untouched_evidence_verifies_and_each_manifest_names_the_one_before()
    {
        var filings = await KeepThreeAsync();
        var report = await VerifyAsync();

        Assert.Empty(report.Faults);
        Assert.True(report.IsGood);
        Assert.Equal((3, 6), (report.Filings, report.Files));
        Assert.Equal("filings/fcc-499a/CO-AAAA0002/evidence", filings[1].EvidencePath);
        using var second = JsonDocument.Parse(await File.ReadAllTextAsync(PathOf(filings[1], "manifest.json"), Ct));
        Assert.Equal(filings[0].ManifestSha256, second.RootElement.GetProperty("previous_manifest_sha256").GetString());
        Assert.Equal(2, second.RootElement.GetProperty("sequence").GetInt64());
        Assert.Equal(["90-confirmation.png", "values.json"], second.RootElement.GetProperty("files").EnumerateArray().Select(f => f.GetProperty("name").GetString()!));
    }

    [Fact]
    public async Task One_flipped_bit_is_found_in_its_file()
    {
        var filings = await KeepThreeAsync();
        var path = PathOf(filings[1], "90-confirmation.png");
        var bytes = await File.ReadAllBytesAsync(path, Ct);
        bytes[^1] ^= 1;
        await File.WriteAllBytesAsync(path, bytes, Ct);

        var fault = Assert.Single((await VerifyAsync()).Faults);
        Assert.Equal((EvidenceFaultKind.FileChanged, "CO-AAAA0002", "90-confirmation.png"), (fault.Kind, fault.OrderNumber, fault.Name));
        Assert.Empty((await VerifyAsync("CO-AAAA0001")).Faults);
        Assert.Single((await VerifyAsync("CO-AAAA0002")).Faults);
    }

    [Fact]
    public async Task A_dropped_file_and_an_added_one_are_named()
    {
        var filings = await KeepThreeAsync();
        File.Delete(PathOf(filings[0], "values.json"));
        await File.WriteAllTextAsync(PathOf(filings[2], "extra.txt"), "x", Ct);

        var faults = (await VerifyAsync()).Faults;
        Assert.Equal(
            [(EvidenceFaultKind.FileMissing, "CO-AAAA0001", "values.json"), (EvidenceFaultKind.FileUnlisted, "CO-AAAA0003", "extra.txt")],
            faults.Select(f => (f.Kind, f.OrderNumber, f.Name)));
    }

    [Fact]
    public async Task A_changed_or_missing_manifest_is_named()
    {
        var filings = await KeepThreeAsync();
        await File.AppendAllTextAsync(PathOf(filings[0], "manifest.json"), " ", Ct);
        File.Delete(PathOf(filings[1], "manifest.json"));

        Assert.Equal(
            [(EvidenceFaultKind.ManifestChanged, "CO-AAAA0001"), (EvidenceFaultKind.ManifestMissing, "CO-AAAA0002")],
            (await VerifyAsync()).Faults.Select(f => (f.Kind, f.OrderNumber)));
    }

    [Fact]
    public async Task A_filing_taken_out_of_the_middle_leaves_a_hole()
    {
        await KeepThreeAsync();
        await _database.RunAsync("DELETE FROM filings WHERE sequence = 2", Ct);

        var faults = (await VerifyAsync()).Faults;
        Assert.Contains(faults, f => f.Kind == EvidenceFaultKind.LinkMissing && f.Name == "filing #2");
        Assert.Contains(faults, f => f.Kind == EvidenceFaultKind.NotOnRecord && f.OrderNumber == "CO-AAAA0002");
        Assert.DoesNotContain(faults, f => f.Kind == EvidenceFaultKind.OutOfOrder);
    }

    [Fact]
    public async Task A_hole_that_was_closed_up_breaks_the_link()
    {
        await KeepThreeAsync();
        await _database.RunAsync("DELETE FROM filings WHERE sequence = 2", Ct);
        await _database.RunAsync("UPDATE filings SET sequence = 2 WHERE sequence = 3", Ct);
        await _database.RunAsync("UPDATE filing_chain SET sequence = 2", Ct);

        var faults = (await VerifyAsync()).Faults;
        Assert.Contains(faults, f => f.Kind == EvidenceFaultKind.OutOfOrder && f.OrderNumber == "CO-AAAA0003");
        Assert.Contains(faults, f => f.Kind == EvidenceFaultKind.RecordChanged && f.Name == "filings.sequence");
    }

    [Fact]
    public async Task Filings_that_swapped_places_are_named()
    {
        await KeepThreeAsync();
        await _database.RunAsync("UPDATE filings SET sequence = 9 WHERE sequence = 1", Ct);
        await _database.RunAsync("UPDATE filings SET sequence = 1 WHERE sequence = 2", Ct);
        await _database.RunAsync("UPDATE filings SET sequence = 2 WHERE sequence = 9", Ct);

        var orders = (await VerifyAsync()).Faults.Where(f => f.Kind == EvidenceFaultKind.OutOfOrder).Select(f => f.OrderNumber);
        Assert.Equal(["CO-AAAA0002", "CO-AAAA0001", "CO-AAAA0003"], orders);
    }

    [Fact]
    public async Task A_cut_tail_is_found_by_the_chains_recorded_end()
    {
        await KeepThreeAsync();
        await _database.RunAsync("DELETE FROM filings WHERE sequence >= 2", Ct);

        Assert.Equal(["filing #2", "filing #3"], (await VerifyAsync()).Faults.Where(f => f.Kind == EvidenceFaultKind.TailCut).Select(f => f.Name));
    }

    [Fact]
    public async Task A_tail_cut_together_with_the_recorded_end_is_found_by_the_manifests_left_over()
    {
        var filings = await KeepThreeAsync();
        await _database.RunAsync("DELETE FROM filings WHERE sequence = 3", Ct);
        await _database.RunAsync($"UPDATE filing_chain SET sequence = 2, manifest_sha256 = '{filings[1].ManifestSha256}'", Ct);

        var fault = Assert.Single((await VerifyAsync()).Faults);
        Assert.Equal((EvidenceFaultKind.NotOnRecord, "CO-AAAA0003"), (fault.Kind, fault.OrderNumber));
    }

    [Theory]
    [InlineData("confirmation_number", "'499A-2026-X'")]
    [InlineData("filer_id", "'831235'")]
    [InlineData("values_sha256", "'0'")]
    public async Task A_changed_row_is_named_by_its_column(string column, string value)
    {
        await KeepThreeAsync();
        await _database.RunAsync($"UPDATE filings SET {column} = {value} WHERE sequence = 2", Ct);

        var fault = Assert.Single((await VerifyAsync()).Faults);
        Assert.Equal((EvidenceFaultKind.RecordChanged, "CO-AAAA0002", "filings." + column), (fault.Kind, fault.OrderNumber, fault.Name));
    }

    [Fact]
    public async Task A_rewritten_manifest_with_a_rewritten_row_breaks_the_next_link()
    {
        var filings = await KeepThreeAsync();
        var forged = (await File.ReadAllTextAsync(PathOf(filings[1], "manifest.json"), Ct)).Replace("499A-2026-0002", "499A-2026-9999", StringComparison.Ordinal);
        var hash = Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(Encoding.UTF8.GetBytes(forged)));
        await File.WriteAllTextAsync(PathOf(filings[1], "manifest.json"), forged, Ct);
        await _database.ExecuteAsync(
            "UPDATE filings SET manifest = @m, manifest_sha256 = @h, confirmation_number = '499A-2026-9999' WHERE sequence = 2",
            PwWorkflows.Activities.Data.Parameters.Of(("m", forged), ("h", hash)), Ct);

        var fault = Assert.Single((await VerifyAsync()).Faults);
        Assert.Equal((EvidenceFaultKind.OutOfOrder, "CO-AAAA0003"), (fault.Kind, fault.OrderNumber));
    }

    [Fact]
    public async Task Recording_again_after_a_crash_gives_the_same_manifest()
    {
        var first = await KeepAsync("CO-AAAA0001");
        File.Delete(PathOf(first, "manifest.json"));
        _clock.Advance(TimeSpan.FromHours(1));

        Assert.Equal(first, await _evidence.SealAsync(Filing("CO-AAAA0001"), "", Ct));
        Assert.True((await VerifyAsync()).IsGood);
        Assert.Equal(first, Assert.Single(await _evidence.OfOrderAsync("CO-AAAA0001", Ct)));
    }

    [Fact]
    public async Task Filings_recorded_at_the_same_time_make_one_chain()
    {
        var orders = Enumerable.Range(0, 12).Select(i => $"CO-BBBB{i:D4}").ToList();
        await Task.WhenAll(orders.Concat(orders).Select(KeepAsync));

        var report = await VerifyAsync();
        Assert.Empty(report.Faults);
        Assert.Equal(12, report.Filings);
    }

    [Fact]
    public async Task An_officers_authorization_is_found_by_its_values_and_wakes_the_order()
    {
        var events = new RecordedEvents();
        var authorizations = new OfficerAuthorizations(_database, events, _clock);
        var form = SampleForm.Form();
        var order = new PwWorkflows.Activities.Orders.Order(SampleForm.OrderNumber, "fcc-499a", "Sandbox Voice LLC", "a@b.test");
        Assert.Null(await authorizations.FindAsync(order, form, Ct));

        var given = SampleForm.Authorize(form, _clock.GetUtcNow());
        var newer = SampleForm.Authorize(SampleForm.Form(i => i["trade_names"] = "Other"), _clock.GetUtcNow().AddDays(1));
        await authorizations.RecordAsync(order.OrderNumber, given, "admin", Ct);
        await authorizations.RecordAsync(order.OrderNumber, given, "admin", Ct);
        await authorizations.RecordAsync(order.OrderNumber, newer, "admin", Ct);

        Assert.Equal(given, await authorizations.FindAsync(order, form, Ct));
        Assert.Equal(newer, await authorizations.FindAsync(order, SampleForm.Form(i => i["trade_names"] = "Third"), Ct));
        Assert.All(events.Names, n => Assert.Equal("officer-authorization:" + order.OrderNumber, n));
    }

    sealed class RecordedEvents : Elsa.Workflows.Runtime.IEventPublisher
    {
        public List<string> Names { get; } = [];

        public Task PublishAsync(string eventName, string? correlationId = null, string? workflowInstanceId = null, string? activityInstanceId = null, object? payload = null, bool asynchronous = false, CancellationToken cancellationToken = default)
        {
            Names.Add(eventName);
            return Task.CompletedTask;
        }
    }

    [Theory]
    [InlineData("../CO-1")]
    [InlineData("CO-1/..")]
    [InlineData("")]
    public void An_order_number_can_not_leave_the_folder(string order) => Assert.Throws<ArgumentException>(() => _evidence.Folder("fcc-499a", order));

    [Theory]
    [InlineData("../x.png")]
    [InlineData(".hidden")]
    [InlineData("a/b.png")]
    public async Task A_file_name_can_not_leave_the_folder(string name) =>
        await Assert.ThrowsAsync<ArgumentException>(() => _evidence.Folder("fcc-499a", "CO-1").AddAsync(name, new byte[1], "image/png", Ct));
}

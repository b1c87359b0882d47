using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using PwWorkflows.Activities.Effects;
using PwWorkflows.Activities.Records;
using PwWorkflows.Activities.Storage;
using PwWorkflows.Activities.Tests.Filings;
using PwWorkflows.Activities.Tests.Jobs;

namespace PwWorkflows.Activities.Tests.Records;

/// <summary>Call detail records are kept as long as the law says and deleted with a certificate.</summary>
public abstract class CdrTests(PostgresFixture? postgres) : JobTests(postgres)
{
    private const string Calls = "from,to,at\r\n12125550100,13125550100,2025-05-01\n\n12125550101,13125550101,2025-05-31\n";

    protected override void Register(IServiceCollection services) => services.AddRecords();

    private CdrFiles Files => Get<CdrFiles>();

    private RecordDesk Desk => Get<RecordDesk>();

    private IObjectStore Store => Get<IObjectStore>();

    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        await EntityAsync(1, "Voice LLC");
    }

    private async Task UploadAsync(int id, string lastCall, int? year = null, bool hold = false, int records = 3)
    {
        var bytes = Encoding.UTF8.GetBytes(Calls);
        await Store.PutAsync("cdr", $"1/{id}.csv", bytes, "text/csv", null, Ct);
        await SqlAsync(string.Create(CultureInfo.InvariantCulture, $"""
            INSERT INTO cdr_files (id, telecom_entity_id, bucket, object_key, first_call_on, last_call_on, records, sha256, backs_form_year, legal_hold, uploaded_at)
            VALUES ({id}, 1, 'cdr', '1/{id}.csv', '2020-01-01', '{lastCall}', {records}, '{Convert.ToHexStringLower(SHA256.HashData(bytes))}', {(year is { } y ? y : "NULL")}, {(hold ? "true" : "false")}, '2025-06-01 00:00:00+00:00')
            """));
    }

    private Task FiledAsync(int year, string at) => SqlAsync(string.Create(CultureInfo.InvariantCulture, $"""
        INSERT INTO filings (sequence, order_number, slug, form, year, filer_id, confirmation_number, reference, submitted_at, values_sha256, page_map_version, bucket, manifest_key, manifest, manifest_sha256, previous_manifest_sha256, filed_at)
        VALUES ({year}, 'CO-{year}', 'fcc-499a', '499-A', {year}, '831201', 'C', 'R', '', '', '', '', '', '', '{year}', 'p{year}', '{at} 12:00:00+00:00')
        """));

    private async Task<string> OutcomeAsync(int id, bool dryRun = false) => (await Files.DeleteAsync(id.ToString(CultureInfo.InvariantCulture), "i1", dryRun, Ct)).Outcome;

    [Fact]
    public async Task File_goes_the_day_after_eighteen_months_with_a_certificate()
    {
        await UploadAsync(1, "2025-05-31");
        Time.SetUtcNow(new DateTimeOffset(2026, 11, 30, 23, 59, 0, TimeSpan.Zero));
        Assert.Empty(await Files.FindExpiredAsync(Ct));
        Assert.Equal("Kept", await OutcomeAsync(1));
        Time.SetUtcNow(new DateTimeOffset(2026, 12, 1, 0, 0, 0, TimeSpan.Zero));
        Assert.Equal(["1"], await Files.FindExpiredAsync(Ct));
        Assert.Equal("Deleted", await OutcomeAsync(1, dryRun: true));
        Assert.True(await Store.ExistsAsync("cdr", "1/1.csv", Ct));
        Assert.Equal("Deleted", await OutcomeAsync(1));
        Assert.False(await Store.ExistsAsync("cdr", "1/1.csv", Ct));
        Assert.Empty(await Files.FindExpiredAsync(Ct));
        Assert.Equal("Kept", await OutcomeAsync(1));

        var certificate = (await Store.GetAsync("records", (await ValueAsync("SELECT certificate_key FROM cdr_files"))!, Ct))!.Content;
        Assert.Equal(await ValueAsync("SELECT certificate_sha256 FROM cdr_files"), Convert.ToHexStringLower(SHA256.HashData(certificate.Span)));
        using var json = JsonDocument.Parse(certificate);
        Assert.Equal(3, json.RootElement.GetProperty("records").GetInt64());
        Assert.Equal("2026-11-30", json.RootElement.GetProperty("kept_until").GetString());
        Assert.Contains("workflow instance i1", json.RootElement.GetProperty("deleted_by").GetString(), StringComparison.Ordinal);
        Assert.DoesNotContain("12125550100", Encoding.UTF8.GetString(certificate.Span), StringComparison.Ordinal);
        Assert.Equal("cdr-deleted", Assert.Single(await Get<AuditLog>().LatestAsync(10, Ct)).Action);
    }

    [Fact]
    public async Task What_backs_a_form_is_kept_five_years_after_its_last_filing_and_as_long_as_it_is_not_filed()
    {
        await UploadAsync(1, "2020-12-31", year: 2021);
        Assert.Contains("not filed", (await Files.DeleteAsync("1", "i", false, Ct)).Report, StringComparison.Ordinal);
        await FiledAsync(2021, "2021-11-26");
        Assert.Equal("Kept", await OutcomeAsync(1)); // It is 2026-11-25.
        Time.Advance(TimeSpan.FromDays(1));
        Assert.Empty(await Files.FindExpiredAsync(Ct));
        Time.Advance(TimeSpan.FromDays(1));
        Assert.Equal(["1"], await Files.FindExpiredAsync(Ct));
        Assert.Equal("Deleted", await OutcomeAsync(1));
    }

    [Fact]
    public async Task Legal_hold_wins_even_when_it_comes_between_the_list_and_the_deletion()
    {
        await UploadAsync(1, "2020-12-31", hold: true);
        await UploadAsync(2, "2020-12-31");
        Assert.Equal(["2"], await Files.FindExpiredAsync(Ct));
        Assert.True((await Desk.HoldAsync(2, true, "subpoena", "dana", Ct)).IsKept);
        Assert.Equal("Kept", await OutcomeAsync(2));
        Assert.True(await Store.ExistsAsync("cdr", "1/2.csv", Ct));
        Assert.True((await Desk.HoldAsync(2, false, "withdrawn", "dana", Ct)).IsKept);
        Assert.Equal("Deleted", await OutcomeAsync(2));
        Assert.False((await Desk.HoldAsync(2, true, "too late", "dana", Ct)).IsKept);
    }

    [Fact]
    public async Task File_that_is_not_what_was_uploaded_is_kept_for_a_person()
    {
        await UploadAsync(1, "2020-12-31");
        await UploadAsync(2, "2020-12-31", records: 2);
        await UploadAsync(3, "2020-12-31");
        await Store.PutAsync("cdr", "1/1.csv", "changed"u8.ToArray(), "text/csv", null, Ct);
        await Store.DeleteAsync("cdr", "1/3.csv", Ct);
        Assert.Equal(["Refused", "Refused", "Refused"], [await OutcomeAsync(1), await OutcomeAsync(2), await OutcomeAsync(3)]);
        Assert.Equal(["CDR file 1 cdr-file-differs", "CDR file 2 cdr-file-differs", "CDR file 3 cdr-file-differs"], await ToDosAsync());
        Assert.True(await Store.ExistsAsync("cdr", "1/2.csv", Ct));
    }

    [Fact]
    public async Task Node_that_died_after_the_deletion_finds_its_certificate()
    {
        await UploadAsync(1, "2020-12-31");
        Assert.Equal("Deleted", await OutcomeAsync(1));
        var hash = await ValueAsync("SELECT certificate_sha256 FROM cdr_files");
        // As if nothing after the deletion itself had been written down.
        await SqlAsync("UPDATE cdr_files SET deleted_at = NULL, certificate_key = NULL, certificate_sha256 = NULL");
        await SqlAsync("UPDATE effects SET status = 'started', result = NULL, lease_until = 0");
        Assert.Equal("Deleted", await OutcomeAsync(1));
        Assert.Equal(hash, await ValueAsync("SELECT certificate_sha256 FROM cdr_files"));
    }

    [Fact]
    public async Task Node_that_died_before_the_deletion_deletes_it_later_and_no_hold_can_come_between()
    {
        await UploadAsync(1, "2020-12-31");
        await SqlAsync("UPDATE cdr_files SET deleting_at = '2026-11-25 15:00:00+00:00'");
        await SqlAsync("INSERT INTO effects (key, kind, status, owner, lease_until, started_at) VALUES ('cdr:delete:1', 'cdr.delete', 'started', 'x', 0, '2026-11-25 15:00:00+00:00')");
        Assert.False((await Desk.HoldAsync(1, true, "subpoena", "dana", Ct)).IsKept);
        Assert.Equal("Deleted", await OutcomeAsync(1));
    }

    [Fact]
    public async Task File_gone_without_a_certificate_is_for_a_person_and_holds_up_no_other()
    {
        await UploadAsync(1, "2020-12-31");
        await UploadAsync(2, "2020-12-31");
        await SqlAsync("UPDATE cdr_files SET deleting_at = '2026-11-25 15:00:00+00:00'");
        await SqlAsync("INSERT INTO effects (key, kind, status, owner, lease_until, started_at) VALUES ('cdr:delete:1', 'cdr.delete', 'started', 'x', 0, '2026-11-25 15:00:00+00:00')");
        await Store.DeleteAsync("cdr", "1/1.csv", Ct);
        Assert.Equal(["1", "2"], await Files.FindExpiredAsync(Ct));
        Assert.Equal(["Refused", "Deleted"], [await OutcomeAsync(1), await OutcomeAsync(2)]);
        Assert.Equal(["CDR file 1 cdr-deletion-uncertain"], await ToDosAsync());
        // Settled by a person, it is done.
        Assert.Null(await Get<EffectRecords>().SettleAsync("cdr:delete:1", """{"certificateKey":"none","certificateSha256":"none"}""", Ct));
        Assert.Equal("Deleted", await OutcomeAsync(1));
        Assert.Empty(await ToDosAsync());
    }
}

public sealed class CdrOnSqliteTests() : CdrTests(null);

public sealed class CdrOnPostgresTests(PostgresFixture postgres) : CdrTests(postgres), IClassFixture<PostgresFixture>;

/// <summary>The rule of retention at its edges.</summary>
public sealed class CdrRetentionTests
{
    private static CdrFile File(string lastCall, int? year = null, string? filed = null, bool hold = false) =>
        new(1, 1, "cdr", "a.csv", new(2020, 1, 1), Day(lastCall), 1, "", year, hold, filed is null ? null : Day(filed));

    private static DateOnly Day(string text) => DateOnly.ParseExact(text, "yyyy-MM-dd", CultureInfo.InvariantCulture);

    [Theory]
    [InlineData("2025-01-15", 18, "2026-07-15")]
    [InlineData("2024-08-31", 18, "2026-02-28")] // February has no 31st: its last day.
    [InlineData("2022-08-30", 18, "2024-02-29")] // A leap year.
    [InlineData("2025-01-15", 12, "2026-07-15")] // Nobody can go below the law.
    [InlineData("2025-01-15", 24, "2027-01-15")]
    public void Months_are_calendar_months_and_never_under_eighteen(string lastCall, int months, string until)
    {
        Assert.False(CdrFiles.Decide(File(lastCall), Day(until), months).MayDelete);
        Assert.True(CdrFiles.Decide(File(lastCall), Day(until).AddDays(1), months).MayDelete);
    }

    [Theory]
    [InlineData("2025-12-31", "2021-03-30", "2027-06-30")] // The calls are younger than the form's five years.
    [InlineData("2020-12-31", "2024-02-29", "2029-02-28")]
    public void The_longer_of_two_rules_holds(string lastCall, string filed, string until)
    {
        Assert.False(CdrFiles.Decide(File(lastCall, 2021, filed), Day(until), 18).MayDelete);
        Assert.True(CdrFiles.Decide(File(lastCall, 2021, filed), Day(until).AddDays(1), 18).MayDelete);
    }

    [Fact]
    public void Hold_and_unfiled_form_have_no_end()
    {
        Assert.Null(CdrFiles.Decide(File("2000-01-01", hold: true), Day("2099-01-01"), 18).KeepUntil);
        Assert.False(CdrFiles.Decide(File("2000-01-01", hold: true), Day("2099-01-01"), 18).MayDelete);
        Assert.False(CdrFiles.Decide(File("2000-01-01", 2021), Day("2099-01-01"), 18).MayDelete);
    }
}

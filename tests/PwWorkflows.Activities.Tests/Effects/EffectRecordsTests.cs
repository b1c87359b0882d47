using Microsoft.Extensions.Logging.Abstractions;
using PwWorkflows.Activities.Effects;
using PwWorkflows.Activities.Records;
using PwWorkflows.Activities.Tests.Filings;

namespace PwWorkflows.Activities.Tests.Effects;

/// <summary>A person's word on an effect of which the outside could not tell whether it happened.</summary>
public abstract class EffectRecordsTests(PostgresFixture? postgres) : IAsyncLifetime
{
    private sealed record Receipt(string Number);

    private TestDatabase _database = null!;
    private EffectLedger _ledger = null!;
    private EffectRecords _records = null!;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _database = await TestDatabase.CreateAsync(Ct, postgres);
        _ledger = new EffectLedger(_database, TimeProvider.System, NullLogger<EffectLedger>.Instance);
        _records = new EffectRecords(_database, TimeProvider.System);
        await Assert.ThrowsAsync<TimeoutException>(() => RunAsync("filing:1", _ => throw new TimeoutException("no answer")));
        var uncertain = await Assert.ThrowsAsync<EffectUncertainException>(() => RunAsync("filing:1", Never));
        Assert.Contains("pw effects settle", uncertain.Message, StringComparison.Ordinal);
    }

    public async ValueTask DisposeAsync()
    {
        await _database.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    private static Task<Receipt> Never(CancellationToken ct) => throw new InvalidOperationException("It must not be done again.");

    private Task<Receipt> RunAsync(string key, Func<CancellationToken, Task<Receipt>> perform) =>
        _ledger.RunAsync(key, "test.filing", perform, static _ => Task.FromResult<Reconciliation<Receipt>>(new Reconciliation<Receipt>.Unknown("the list is empty and the page is down.")), Ct);

    [Fact]
    public async Task Uncertain_effect_is_listed_with_what_the_outside_said()
    {
        var effect = Assert.Single(await _records.ListAsync("uncertain", 10, Ct));
        Assert.Equal(("filing:1", "test.filing", "the list is empty and the page is down."), (effect.Key, effect.Kind, effect.Note));
        Assert.Empty(await _records.ListAsync("done", 10, Ct));
    }

    [Fact]
    public async Task Effect_settled_as_happened_gives_that_result_and_is_not_done_again()
    {
        Assert.Null(await _records.SettleAsync("filing:1", """{"number":"A-7"}""", Ct));
        Assert.Equal(new Receipt("A-7"), await RunAsync("filing:1", Never));
    }

    [Fact]
    public async Task Effect_settled_as_not_happened_is_done_at_the_next_try()
    {
        Assert.Null(await _records.SettleAsync("filing:1", null, Ct));
        Assert.Equal(new Receipt("A-8"), await RunAsync("filing:1", static _ => Task.FromResult(new Receipt("A-8"))));
    }

    [Fact]
    public async Task Word_of_a_person_and_its_trace_are_kept_together_or_not_at_all()
    {
        var audit = new AuditLog(_database, TimeProvider.System);
        await Assert.ThrowsAsync<IOException>(() => _records.SettleAsync("filing:1", """{"number":"A-7"}""", Ct, async (connection, transaction, ct) =>
        {
            await audit.AppendAsync(connection, transaction, "ada", "effect-settled", "filing:1", null, ct);
            throw new IOException("dies");
        }));
        Assert.Empty(await audit.LatestAsync(10, Ct));
        Assert.Single(await _records.ListAsync("uncertain", 10, Ct));

        Task<string?> SettleAsync() => _records.SettleAsync(
            "filing:1", """{"number":"A-7"}""", Ct, (connection, transaction, ct) => audit.AppendAsync(connection, transaction, "ada", "effect-settled", "filing:1", null, ct));
        Assert.Null(await SettleAsync());
        Assert.Contains("is done", await SettleAsync(), StringComparison.Ordinal);
        Assert.Equal("effect-settled", Assert.Single(await audit.LatestAsync(10, Ct)).Action);
    }

    [Fact]
    public async Task Only_an_uncertain_effect_with_a_result_of_its_kind_can_be_settled()
    {
        await RunAsync("filing:2", static _ => Task.FromResult(new Receipt("A-9")));
        Assert.Contains("is done", await _records.SettleAsync("filing:2", null, Ct), StringComparison.Ordinal);
        Assert.Contains("no effect", await _records.SettleAsync("filing:3", null, Ct), StringComparison.Ordinal);
        Assert.Contains("a JSON object", await _records.SettleAsync("filing:1", "A-7", Ct), StringComparison.Ordinal);
        Assert.Contains("expected the fields number", await _records.SettleAsync("filing:1", """{"nummer":"A-7"}""", Ct), StringComparison.Ordinal);
        Assert.Equal(new Receipt("A-9"), await RunAsync("filing:2", Never));
    }
}

public sealed class EffectRecordsOnSqlite() : EffectRecordsTests(null);

public sealed class EffectRecordsOnPostgres(PostgresFixture postgres) : EffectRecordsTests(postgres), IClassFixture<PostgresFixture>;

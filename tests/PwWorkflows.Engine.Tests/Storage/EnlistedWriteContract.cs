using System.Data.Common;
using PwWorkflows.Engine.Storage;
using PwWorkflows.Tests.Infrastructure;

namespace PwWorkflows.Engine.Tests.Storage;

public abstract class EnlistedWriteContract(ITestDatabase database) : StoreTestBase(database)
{
    private async Task CreateInboxAsync() =>
        await Store.Database.WriteAsync(
            (connection, transaction, ct) => ExecuteAsync(
                connection, transaction,
                Options.Provider == DatabaseProvider.PostgreSql
                    ? "CREATE TABLE inbox (id text PRIMARY KEY, amount numeric, seen timestamptz, body bytea, ok boolean, tries bigint)"
                    : "CREATE TABLE inbox (id TEXT PRIMARY KEY, amount TEXT, seen TEXT, body BLOB, ok INTEGER, tries INTEGER)", ct), Ct);

    private static async Task<int> ExecuteAsync(DbConnection connection, DbTransaction transaction, string sql, CancellationToken ct)
    {
        await using var command = connection.CreateCommand();
        command.Transaction = transaction;
        command.CommandText = sql;
        return await command.ExecuteNonQueryAsync(ct);
    }

    private async Task<long> InboxCountAsync(string where = "1 = 1") =>
        await Store.Database.ReadAsync(
            async (connection, ct) =>
            {
                await using var command = connection.CreateCommand();
                command.CommandText = "SELECT count(*) FROM inbox WHERE " + where;
                return Convert.ToInt64(await command.ExecuteScalarAsync(ct), null);
            }, Ct);

    private static EnlistedWrite Insert(string id, int? expected = null, string suffix = "") =>
        new("INSERT INTO inbox (id) VALUES (@id)" + suffix, [new("id", id)], expected);

    private Task<Lease?> CommitAsync(params EnlistedWrite[] writes) =>
        Store.CommitAsync(new InstanceCommit { Instance = Ended(Instance()), IsNew = true, NodeId = "node-1", Writes = writes }, Ct);

    [Fact]
    public async Task A_product_row_is_committed_with_the_instance()
    {
        await CreateInboxAsync();
        await CommitAsync(new EnlistedWrite(
            "INSERT INTO inbox (id, amount, seen, body, ok, tries) VALUES (@id, @amount, @seen, @body, @ok, @tries)",
            [new("@id", "evt_1"), new("amount", 12.34m), new("seen", Clock.GetUtcNow().ToOffset(TimeSpan.FromHours(5))), new("body", new byte[] { 1, 2 }), new("ok", true), new("tries", 3L)]));
        await CommitAsync(new EnlistedWrite("INSERT INTO inbox (id, amount, seen) VALUES (@id, @amount, @seen)", [new("id", "evt_2"), new("amount", null), new("seen", null)]));
        Assert.Equal(1, await InboxCountAsync("id = 'evt_1' AND tries = 3 AND seen IS NOT NULL AND amount IS NOT NULL AND body IS NOT NULL"));
        Assert.Equal(1, await InboxCountAsync("id = 'evt_2' AND amount IS NULL AND seen IS NULL"));
    }

    [Fact]
    public async Task A_single_statement_tells_the_rows_it_touched()
    {
        await CreateInboxAsync();
        var insert = Insert("evt_1", suffix: " ON CONFLICT (id) DO NOTHING");
        Assert.Equal(1, await Store.Database.ExecuteAsync(insert, Ct));
        Assert.Equal(0, await Store.Database.ExecuteAsync(insert, Ct));
        await Store.Database.ExecuteAsync(Insert("evt_2"), Ct);
        Assert.Equal(2, await Store.Database.ExecuteAsync(new EnlistedWrite("UPDATE inbox SET tries = @tries", [new("tries", 7L)]), Ct));
        Assert.Equal(2, await InboxCountAsync("tries = 7"));
    }

    [Fact]
    public async Task A_refused_single_statement_tells_the_database_error_and_harms_nothing_written_with_it()
    {
        await CreateInboxAsync();
        await Store.Database.ExecuteAsync(Insert("evt_0"), Ct);
        var writes = Enumerable.Range(0, 60).Select(i => i % 20 == 7
            ? Assert.ThrowsAnyAsync<DbException>(() => Store.Database.ExecuteAsync(Insert("evt_0"), Ct))
            : i % 2 == 0 ? CommitAsync(Insert($"commit_{i}")) : (Task)Store.Database.ExecuteAsync(Insert($"alone_{i}"), Ct));
        await Task.WhenAll(writes);
        Assert.Equal(58, await InboxCountAsync());
    }

    [Fact]
    public async Task A_duplicate_product_key_refuses_the_whole_commit()
    {
        await CreateInboxAsync();
        await CommitAsync(Insert("evt_1"));
        Assert.Equal(CommitConflict.UniqueKey, (await ConflictAsync(CommitAsync(Insert("evt_2"), Insert("evt_1")))).Conflict);
        Assert.Equal(1, await InboxCountAsync());
        Assert.Equal(1, await Store.CountInstancesAsync(new InstanceFilter(), Ct));
    }

    [Fact]
    public async Task Another_number_of_rows_than_expected_refuses_the_whole_commit()
    {
        await CreateInboxAsync();
        await CommitAsync(Insert("evt_1", expected: 1));
        EnlistedWrite[] refused =
        [
            Insert("evt_1", expected: 1, " ON CONFLICT DO NOTHING;"),
            new("UPDATE inbox SET ok = @ok WHERE id = @id -- nobody", [new("ok", true), new("id", "evt_9")], 1),
            new("DELETE FROM inbox WHERE id = @id", [new("id", "evt_1")], 2),
            new("UPDATE inbox SET tries = 1 WHERE id = @id RETURNING id", [new("id", "evt_9")], 1),
        ];
        foreach (var write in refused)
        {
            var conflict = await ConflictAsync(CommitAsync(write));
            Assert.Equal(CommitConflict.UnexpectedRows, conflict.Conflict);
        }

        Assert.Equal(1, await InboxCountAsync("ok IS NULL AND tries IS NULL"));
        Assert.Equal(1, await Store.CountInstancesAsync(new InstanceFilter(), Ct));
        await CommitAsync(new EnlistedWrite("UPDATE inbox SET tries = 5 WHERE id = @id RETURNING id", [new("id", "evt_1")], 1));
        Assert.Equal(1, await InboxCountAsync("tries = 5"));
    }

    [Fact]
    public async Task An_event_delivered_by_many_at_once_is_kept_once()
    {
        await CreateInboxAsync();
        var outcomes = await Race.OutcomesAsync(16, i => CommitAsync(Insert("evt_1", expected: i % 2 == 0 ? 1 : null)));
        Assert.Equal(1, outcomes.Count(o => o is null));
        Assert.All(outcomes.OfType<Exception>(), e => Assert.Equal(CommitConflict.UniqueKey, Assert.IsType<CommitConflictException>(e).Conflict));
        Assert.Equal(1, await InboxCountAsync());
    }

    [Fact]
    public async Task Writes_run_in_order_and_a_broken_one_harms_only_its_own_commit()
    {
        await CreateInboxAsync();
        var outcomes = await Race.OutcomesAsync(20, i => i == 7
            ? CommitAsync(new EnlistedWrite("INSERT INTO no_such_table VALUES (1)", []))
            : CommitAsync(Insert($"e{i}"), new EnlistedWrite("UPDATE inbox SET tries = 1 WHERE id = @id", [new("id", $"e{i}")], 1)));
        Assert.IsAssignableFrom<DbException>(outcomes[7]);
        Assert.Equal(19, outcomes.Count(o => o is null));
        Assert.Equal(19, await InboxCountAsync("tries = 1"));
    }

    [Fact]
    public async Task Product_writes_and_commits_take_turns()
    {
        await CreateInboxAsync();
        var outcomes = await Race.OutcomesAsync(60, i => i % 2 == 0
            ? CommitAsync(Insert($"c{i}"))
            : Store.Database.WriteAsync((connection, transaction, ct) => ExecuteAsync(connection, transaction, $"INSERT INTO inbox (id) VALUES ('w{i}')", ct), Ct));
        Assert.All(outcomes, Assert.Null);
        Assert.Equal(60, await InboxCountAsync());
    }

    [Fact]
    public async Task A_product_write_that_throws_is_rolled_back()
    {
        await CreateInboxAsync();
        var error = await Assert.ThrowsAsync<InvalidTimeZoneException>(() => Store.Database.WriteAsync<int>(async (connection, transaction, ct) =>
        {
            await ExecuteAsync(connection, transaction, "INSERT INTO inbox (id) VALUES ('x')", ct);
            throw new InvalidTimeZoneException("no");
        }, Ct));
        Assert.Equal("no", error.Message);
        Assert.Equal(0, await InboxCountAsync());
        await CommitAsync(Insert("after"));
    }
}

public sealed class EnlistedWriteOnSqlite() : EnlistedWriteContract(new OnSqliteFile())
{
    [Fact]
    public async Task A_write_inside_a_write_is_refused_instead_of_waiting_for_ever()
    {
        var error = await Assert.ThrowsAsync<InvalidOperationException>(() => Store.Database.WriteAsync(async (_, _, ct) =>
        {
            await Store.EnqueueAsync([Item()], "node-1", null, HalfMinute, ct);
            return true;
        }, Ct));
        Assert.Contains("A write inside a write", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_read_connection_does_not_write()
    {
        await Assert.ThrowsAnyAsync<DbException>(() => Store.Database.ReadAsync(async (connection, ct) =>
        {
            await using var command = connection.CreateCommand();
            command.CommandText = "CREATE TABLE t (x)";
            return await command.ExecuteNonQueryAsync(ct);
        }, Ct));
    }
}

public sealed class EnlistedWriteOnPostgres(PostgresFixture postgres) : EnlistedWriteContract(new OnPostgresServer(postgres));

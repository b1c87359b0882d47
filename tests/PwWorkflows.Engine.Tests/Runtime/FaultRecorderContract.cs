using System.Data.Common;
using Elsa.Workflows.Models;
using Elsa.Workflows.Runtime;
using Elsa.Workflows.Runtime.Messages;
using Microsoft.Extensions.DependencyInjection;
using PwWorkflows.Engine.Storage;
using PwWorkflows.Engine.Tests.Storage;
using PwWorkflows.Tests.Infrastructure;

namespace PwWorkflows.Engine.Tests.Runtime;

/// <summary>Nobody has to look for instances that can't go on: the rows that tell of them come with the commit that stops them.</summary>
public abstract class FaultRecorderContract(ITestDatabase database) : EngineHostTest(database)
{
    private sealed class Recorder(bool broken) : IFaultRecorder
    {
        public IEnumerable<EnlistedWrite> Stuck(StuckInstance instance) =>
            broken
                ? [new EnlistedWrite("INSERT INTO no_such_table (id) VALUES (1)", [])]
                : [new EnlistedWrite("INSERT INTO stuck (id, message) VALUES (@id, @message)", [new("id", instance.InstanceId), new("message", $"{instance.DefinitionId}/{instance.ActivityId}: {instance.Message}")])];

        public IEnumerable<EnlistedWrite> Mended(string instanceId, DateTimeOffset at) => [new EnlistedWrite("DELETE FROM stuck WHERE id = @id", [new("id", instanceId)])];
    }

    private async Task<EngineHost> StartAsync(bool broken)
    {
        var host = await StartAsync(services: s => s.AddSingleton<IFaultRecorder>(new Recorder(broken)));
        await host.Store.Database.WriteAsync(async (c, t, ct) => await ExecuteAsync(c, t, "CREATE TABLE stuck (id text, message text)", ct), Ct);
        return host;
    }

    private static async Task<int> ExecuteAsync(DbConnection connection, DbTransaction? transaction, string sql, CancellationToken ct)
    {
        await using var command = connection.CreateCommand();
        (command.CommandText, command.Transaction) = (sql, transaction);
        return await command.ExecuteNonQueryAsync(ct);
    }

    private static Task<string?> StuckAsync(EngineHost host) => host.Store.Database.ReadAsync(
        async (c, ct) =>
        {
            await using var command = c.CreateCommand();
            command.CommandText = "SELECT message FROM stuck";
            return (string?)await command.ExecuteScalarAsync(ct);
        },
        Ct);

    private static async Task<RunWorkflowInstanceResponse> RunAsync(EngineHost host)
    {
        var client = await host.Services.GetRequiredService<IWorkflowRuntime>().CreateClientAsync(Ct);
        return await client.CreateAndRunInstanceAsync(new CreateAndRunWorkflowInstanceRequest { WorkflowDefinitionHandle = WorkflowDefinitionHandle.ByDefinitionId("anchor-faulty") }, Ct);
    }

    [Fact]
    public async Task A_fault_is_told_in_its_commit_and_stays_told_while_it_lasts()
    {
        await using var host = await StartAsync(broken: false);
        await host.PublishAsync("faulty", Ct);
        var run = await RunAsync(host);
        Assert.Equal("anchor-faulty/g2: It broke", await StuckAsync(host));

        // The same fault again: still stuck after the retry.
        await host.RetryAsync(run.WorkflowInstanceId, Ct);
        await Eventually.TrueAsync(async () => (await host.Store.GetInstanceAsync(run.WorkflowInstanceId, Ct)) is { Status: InstanceStatus.Faulted, IncidentCount: 2 }, "the retry fails too", Ct);
        Assert.NotNull(await StuckAsync(host));
    }

    [Fact]
    public async Task An_instance_does_not_stop_without_the_rows_that_tell_of_it()
    {
        await using var host = await StartAsync(broken: true);
        await host.PublishAsync("faulty", Ct);
        await Assert.ThrowsAnyAsync<DbException>(() => RunAsync(host));
        Assert.Equal(0, await host.Store.CountInstancesAsync(new InstanceFilter(Statuses: [InstanceStatus.Faulted]), Ct));
    }
}

public sealed class FaultRecorderOnSqlite() : FaultRecorderContract(new OnSqliteFile());

public sealed class FaultRecorderOnPostgres(PostgresFixture postgres) : FaultRecorderContract(new OnPostgresServer(postgres));

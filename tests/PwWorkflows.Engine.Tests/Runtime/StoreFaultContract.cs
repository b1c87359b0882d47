using System.Data.Common;
using System.Net;
using System.Reflection;
using Elsa.Extensions;
using Elsa.Workflows;
using Elsa.Workflows.Attributes;
using Elsa.Workflows.Models;
using Elsa.Workflows.Runtime;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using PwWorkflows.Engine.Definitions;
using PwWorkflows.Engine.Storage;
using PwWorkflows.Engine.Tests.Storage;
using PwWorkflows.Tests.Infrastructure;

namespace PwWorkflows.Engine.Tests.Runtime;

/// <summary>
/// The store fails at its n-th call, for n from 1 until no failure is met, once without doing what was asked and once after doing it (the answer is lost). A request that was answered with success is
/// on disk, and in the end every step of every instance has run exactly once.
/// </summary>
public abstract class StoreFaultContract(ITestDatabase database) : EngineHostTest(database)
{
    /// <summary>No scenario makes more calls than this; a fault that keeps being met would be a loop.</summary>
    private const int MostCalls = 80;

    private const string Parent = """
        {"definitionId":"parent","id":"parent:1","name":"parent","version":1,"variables":[{"id":"q","name":"Query","typeName":"ObjectDictionary","storageDriverTypeName":"WorkflowInstanceStorageDriver"}],
         "root":{"type":"Elsa.Sequence","id":"s","activities":[
          {"type":"Elsa.HttpEndpoint","id":"http","customProperties":{"canStartWorkflow":true},"path":{"typeName":"String","expression":{"type":"Literal","value":"fault/start"}},
           "supportedMethods":{"typeName":"String[]","expression":{"type":"Object","value":"[\"POST\"]"}},"queryStringData":{"typeName":"ObjectDictionary","memoryReference":{"id":"q"}}},
          {"type":"Elsa.Correlate","id":"co","correlationId":{"typeName":"String","expression":{"type":"JavaScript","value":"getQuery().c"}}},
          {"type":"Test.Mark","id":"m1","step":{"typeName":"String","expression":{"type":"Literal","value":"begun"}}},
          {"type":"Elsa.WriteHttpResponse","id":"w","statusCode":{"typeName":"HttpStatusCode","expression":{"type":"Literal","value":"OK"}},"content":{"typeName":"Object","expression":{"type":"JavaScript","value":"getWorkflowInstanceId()"}},
           "contentType":{"typeName":"String","expression":{"type":"Literal","value":"text/plain"}}},
          {"type":"Elsa.DispatchWorkflow","id":"d","workflowDefinitionId":{"typeName":"String","expression":{"type":"Literal","value":"child"}},"waitForCompletion":{"typeName":"Boolean","expression":{"type":"Literal","value":"True"}},
           "correlationId":{"typeName":"String","expression":{"type":"JavaScript","value":"getCorrelationId()"}}},
          {"type":"Test.Mark","id":"m2","step":{"typeName":"String","expression":{"type":"Literal","value":"ended"}}}]}}
        """;

    private const string Child = """
        {"definitionId":"child","id":"child:1","name":"child","version":1,
         "root":{"type":"Elsa.Sequence","id":"s","activities":[
          {"type":"Test.Mark","id":"m1","step":{"typeName":"String","expression":{"type":"Literal","value":"child begun"}}},
          {"type":"Elsa.Event","id":"e","eventName":{"typeName":"String","expression":{"type":"JavaScript","value":"'Go ' + getCorrelationId()"}}},
          {"type":"Test.Mark","id":"m2","step":{"typeName":"String","expression":{"type":"Literal","value":"child ended"}}}]}}
        """;

    [Theory]
    [InlineData(false), InlineData(true)]
    public async Task Store_that_fails_at_any_call_loses_nothing_and_repeats_nothing(bool done)
    {
        FaultyStore faults = null!;
        IEngineStore sound = null!;
        await using var host = await StartAsync(o => o.Lease = TimeSpan.FromSeconds(1), services =>
        {
            var make = services.Single(d => d.ServiceType == typeof(IEngineStore)).ImplementationFactory!;
            services.AddSingleton(p => FaultyStore.Around(sound = (IEngineStore)make(p), out faults));
        });
        host.Services.GetRequiredService<ActivityRegistry>().Register(typeof(Mark));
        await host.Publisher.PublishAsync(Child, null, null, Ct);
        await host.Publisher.PublishAsync(Parent, null, null, Ct);
        await ExecuteAsync(sound, "CREATE TABLE marks (instance text, step text)");

        var n = 0;
        for (var met = true; met;)
        {
            Assert.InRange(++n, 1, MostCalls);
            faults.FailAt(n, done);
            await RunOnceAsync(host, sound, "c-" + n, done);
            met = faults.Disarm();
        }
        // The scenario has at least a start, a dispatch, the child's start, a stimulus with its resumption and the report to the parent.
        Assert.True(n > 6, $"only {n - 1} calls were met");
        Assert.Equal(0, await sound.CountInstancesAsync(new InstanceFilter(Statuses: [InstanceStatus.Running, InstanceStatus.Suspended, InstanceStatus.Faulted, InstanceStatus.Parked]), Ct));
    }

    [Theory]
    [InlineData(false), InlineData(true)]
    public async Task Schedule_that_may_not_run_now_keeps_its_next_time_whatever_call_fails(bool done)
    {
        FaultyStore faults = null!;
        IEngineStore sound = null!;
        var clock = new FakeTimeProvider(new DateTimeOffset(2026, 4, 1, 12, 0, 0, TimeSpan.Zero));
        await using var host = await StartAsync(o => o.RetentionInterval = TimeSpan.FromDays(1000), services =>
        {
            services.AddSingleton<TimeProvider>(clock);
            var make = services.Single(d => d.ServiceType == typeof(IEngineStore)).ImplementationFactory!;
            services.AddSingleton(p => FaultyStore.Around(sound = (IEngineStore)make(p), out faults));
        });
        host.Store.ClockOverride = () => clock.GetUtcNow();
        await host.Publisher.PublishAsync(
            """
            {"definitionId":"alone","name":"alone","options":{"activationStrategyType":"Elsa.Workflows.ActivationValidators.SingletonStrategy, Elsa.Workflows.Core"},
             "root":{"type":"Elsa.Sequence","id":"s","activities":[
              {"type":"Elsa.Timer","id":"t","customProperties":{"canStartWorkflow":true},"interval":{"typeName":"TimeSpan","expression":{"type":"Literal","value":"01:00:00"} } },
              {"type":"Elsa.Event","id":"e","eventName":{"typeName":"String","expression":{"type":"Literal","value":"never"} } }]} }
            """, null, null, Ct);
        var due = clock.GetUtcNow();
        // The first one runs, and all that follow find it there.
        await PassAsync();
        await Eventually.TrueAsync(async () => await sound.CountInstancesAsync(new InstanceFilter(Statuses: [InstanceStatus.Suspended]), Ct) == 1, "the first one waits", Ct);
        var n = 0;
        for (var met = true; met;)
        {
            Assert.InRange(++n, 1, MostCalls);
            faults.FailAt(n, done);
            await PassAsync();
            met = faults.Disarm();
        }
        Assert.True(n > 2, $"only {n - 1} calls were met");
        Assert.Equal(1, await sound.CountInstancesAsync(new InstanceFilter(), Ct));

        // The clock goes to the next time. What fails is tried again a little later.
        async Task PassAsync()
        {
            clock.Advance((due = due.AddHours(1)) - clock.GetUtcNow());
            await Eventually.TrueAsync(async () =>
            {
                await sound.LookAgainAsync(Ct);
                if (await sound.NextDueAsync(Ct) is not { } next) return false;
                if (next == due.AddHours(1)) return true;
                if (next > clock.GetUtcNow()) clock.Advance(next - clock.GetUtcNow());
                return false;
            }, $"after {due:t} comes the next time", Ct);
        }
    }

    private static async Task RunOnceAsync(EngineHost host, IEngineStore sound, string correlation, bool done)
    {
        // The caller repeats until it is told that its request was taken.
        var requests = 0;
        string? taken = null;
        while (taken is null)
        {
            requests++;
            using var response = await host.Http.PostAsync("/workflows/fault/start?c=" + correlation, null, Ct);
            if (response.StatusCode == HttpStatusCode.OK) taken = await response.Content.ReadAsStringAsync(Ct);
            else Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
            Assert.InRange(requests, 1, 3);
        }
        Assert.NotNull(await sound.GetInstanceAsync(taken, Ct));
        Assert.Contains($"{taken} begun", await MarksAsync(sound));

        // Only when the answer to a commit was lost can there be an instance of which the caller does not know.
        var parents = await IdsAsync(sound, "parent", correlation);
        Assert.InRange(parents.Length, 1, done ? requests : 1);
        await Eventually.TrueAsync(async () => (await sound.ListInstancesAsync(new InstanceFilter(CorrelationId: correlation, Statuses: [InstanceStatus.Suspended]), 0, 100, Ct)).Total == 2 * parents.Length, $"{correlation}: parents and children wait", Ct);
        await Eventually.TrueAsync(async () => await Record.ExceptionAsync(() => host.Services.GetRequiredService<IEventPublisher>().PublishAsync("Go " + correlation, correlation, cancellationToken: Ct)) is null, "the event is taken", Ct);
        await Eventually.TrueAsync(async () => (await sound.ListInstancesAsync(new InstanceFilter(CorrelationId: correlation, Statuses: [InstanceStatus.Finished]), 0, 100, Ct)).Total == 2 * parents.Length, $"{correlation}: parents and children end", Ct);

        var children = await IdsAsync(sound, "child", correlation);
        var expected = parents.SelectMany(p => new[] { $"{p} begun", $"{p} ended" }).Concat(children.SelectMany(c => new[] { $"{c} child begun", $"{c} child ended" }));
        var ids = parents.Concat(children).ToHashSet();
        Assert.Equal(expected.Order(StringComparer.Ordinal), (await MarksAsync(sound)).Where(m => ids.Contains(m[..m.IndexOf(' ', StringComparison.Ordinal)])).Order(StringComparer.Ordinal));
        Assert.Equal(parents.Length, children.Length);
    }

    private static async Task<string[]> IdsAsync(IEngineStore store, string definition, string correlation) =>
        [.. (await store.ListInstancesAsync(new InstanceFilter(DefinitionIds: [definition], CorrelationId: correlation), 0, 100, Ct)).Items.Select(i => i.Id)];

    private static Task<List<string>> MarksAsync(IEngineStore store) => store.Database.ReadAsync(async (c, ct) =>
    {
        await using var command = c.CreateCommand();
        command.CommandText = "SELECT instance, step FROM marks";
        await using var reader = await command.ExecuteReaderAsync(ct);
        var marks = new List<string>();
        while (await reader.ReadAsync(ct)) marks.Add($"{reader.GetString(0)} {reader.GetString(1)}");
        return marks;
    }, Ct);

    private static Task ExecuteAsync(IEngineStore store, string sql) => store.Database.WriteAsync(async (c, t, ct) =>
    {
        await using var command = c.CreateCommand();
        (command.CommandText, command.Transaction) = (sql, t);
        return await command.ExecuteNonQueryAsync(ct);
    }, Ct);

    /// <summary>Writes down that it ran, in the commit of its run.</summary>
    [Activity("Test", "Test")]
    public sealed class Mark : CodeActivity
    {
        public Input<string> Step { get; set; } = null!;

        protected override void Execute(ActivityExecutionContext context) => RunningActivity.Enlist(new EnlistedWrite(
            "INSERT INTO marks (instance, step) VALUES (@instance, @step)", [new("instance", context.WorkflowExecutionContext.Id), new("step", Step.Get(context))]));
    }
}

/// <summary>Fails one call of a store, before or after it is done. Looks that are made now and then are not counted: how many there are depends on the time that passes.</summary>
public class FaultyStore : DispatchProxy
{
    private static readonly string[] Looks = ["TakeDueAsync", "NextDueAsync", "WaitForSignalAsync", "GetDefinitionsStampAsync", "ClaimLapsedAsync", "RenewLeasesAsync", "RenewWorkAsync", "DisposeAsync"];
    private IEngineStore _inner = null!;
    private int _left;
    private bool _done;

    internal static IEngineStore Around(IEngineStore inner, out FaultyStore faults)
    {
        var proxy = Create<IEngineStore, FaultyStore>();
        faults = (FaultyStore)(object)proxy;
        faults._inner = inner;
        return proxy;
    }

    /// <summary>The n-th call from now fails.</summary>
    public void FailAt(int n, bool done)
    {
        _done = done;
        Volatile.Write(ref _left, n);
    }

    /// <summary>No call fails any more. True when one has failed.</summary>
    public bool Disarm() => Interlocked.Exchange(ref _left, 0) <= 0;

    protected override object? Invoke(MethodInfo? targetMethod, object?[]? args)
    {
        var fails = typeof(Task).IsAssignableFrom(targetMethod!.ReturnType) && !Looks.Contains(targetMethod.Name) && Volatile.Read(ref _left) > 0 && Interlocked.Decrement(ref _left) == 0;
        if (fails) Volatile.Write(ref _left, -1);
        object? Call() => targetMethod.Invoke(_inner, BindingFlags.DoNotWrapExceptions, null, args, null);
        if (!fails) return Call();
        var result = targetMethod.ReturnType.IsGenericType ? targetMethod.ReturnType.GetGenericArguments()[0] : typeof(bool);
        return typeof(FaultyStore).GetMethod(nameof(FailAsync), BindingFlags.NonPublic | BindingFlags.Static)!.MakeGenericMethod(result).Invoke(null, [_done ? (Func<object?>)Call : null, targetMethod.Name]);
    }

    private static async Task<T> FailAsync<T>(Func<object?>? first, string method)
    {
        if (first is not null) await (Task)first()!;
        throw new Cut(method);
    }

    private sealed class Cut(string method) : DbException($"The connection was cut in {method}.");
}

public sealed class StoreFaultsOnSqlite() : StoreFaultContract(new OnSqliteFile());

public sealed class StoreFaultsOnPostgres(PostgresFixture postgres) : StoreFaultContract(new OnPostgresServer(postgres));

using System.Globalization;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;
using Elsa.Extensions;
using Elsa.Workflows;
using Elsa.Workflows.Attributes;
using Elsa.Workflows.Models;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using PwWorkflows.Activities.Data;
using PwWorkflows.Activities.Scheduling;
using PwWorkflows.EndToEnd.Tests.Infrastructure;
using PwWorkflows.Engine.Definitions;
using PwWorkflows.Engine.Storage;
using PwWorkflows.Server.Hosting;

namespace PwWorkflows.EndToEnd.Tests.Scheduling;

/// <summary>Notes that it ran, and for which due time, in the commit of its run: what is noted twice ran twice.</summary>
[Activity("Test", "Test", "Notes a run.")]
public sealed class NoteRun : CodeActivity
{
    public NoteRun([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    protected override void Execute(ActivityExecutionContext context)
    {
        var nominal = context.GetWorkflowInput<DateTimeOffset>("NominalTime");
        context.GetRequiredService<IPwDatabase>().Enlist("INSERT INTO notes (schedule, nominal, caught_up, dry_run, covers, ran_at) VALUES (@schedule, @nominal, @caught, @dry, @covers, @at)", Parameters.Of(
            ("schedule", context.GetWorkflowInput<string>("ScheduleName")), ("nominal", nominal), ("caught", context.GetWorkflowInput<bool>("CaughtUp")), ("dry", context.GetWorkflowInput<bool>("DryRun")),
            ("covers", context.GetWorkflowInput<long>("Covers")), ("at", context.GetRequiredService<TimeProvider>().GetUtcNow())));
    }
}

/// <summary>Fails while it is told to.</summary>
[Activity("Test", "Test", "Fails while it is told to.")]
public sealed class FailRun : CodeActivity
{
    /// <summary>Tells it to.</summary>
    public sealed class Switch
    {
        public bool On { get; set; }

        /// <summary>What the schedule's runs were when it last went on.</summary>
        public string? Runs { get; set; }
    }

    public FailRun([CallerFilePath] string? source = null, [CallerLineNumber] int? line = null) : base(source, line) { }

    protected override async ValueTask ExecuteAsync(ActivityExecutionContext context)
    {
        var fails = context.GetRequiredService<Switch>();
        if (fails.On) throw new InvalidOperationException("The other side is down.");
        var runs = await context.GetRequiredService<IPwDatabase>().QueryAsync("SELECT outcome FROM schedule_runs ORDER BY nominal_at, id", Parameters.None, static r => r.GetString(0), context.CancellationToken);
        fails.Runs = string.Join(", ", runs);
    }
}

/// <summary>A time of day that stands still until it is moved, forward or back. What waits for a while waits by the machine's clock.</summary>
public sealed class SteppedClock(DateTimeOffset start) : TimeProvider
{
    private long _ticks = start.UtcTicks;

    public void Advance(TimeSpan by) => Interlocked.Add(ref _ticks, by.Ticks);

    public void SetUtcNow(DateTimeOffset now) => Interlocked.Exchange(ref _ticks, now.UtcTicks);

    public override DateTimeOffset GetUtcNow() => new(Interlocked.Read(ref _ticks), TimeSpan.Zero);
}

/// <summary>One line of the notes.</summary>
public sealed record Note(string Schedule, DateTimeOffset Nominal, bool CaughtUp, bool DryRun, long Covers, DateTimeOffset RanAt);

/// <summary>A server in this process whose way to the database can be cut (as by its death) or held up (as by SIGSTOP).</summary>
public sealed class ScheduleNode : IAsyncDisposable
{
    private readonly WebApplication _app;

    private ScheduleNode(WebApplication app, Line line) => (_app, Line) = (app, line);

    /// <summary>Its way to the database.</summary>
    public Line Line { get; }

    public IServiceProvider Services => _app.Services;

    public ScheduleBook Book => Services.GetRequiredService<ScheduleBook>();

    public HttpClient Http { get; private set; } = null!;

    public static async Task<ScheduleNode> StartAsync(string env, string data, SteppedClock clock, FailRun.Switch fails, CancellationToken ct)
    {
        var line = new Line();
        var app = ServerHost.Build(new HostSettings(env, data, "http://127.0.0.1:0", QuietLogs: true), builder =>
        {
            builder.Services.AddSingleton<TimeProvider>(clock);
            builder.Services.AddSingleton(fails);
            builder.Services.AddSingleton(new ScheduleOptions { PollInterval = TimeSpan.FromMilliseconds(20), SweepInterval = TimeSpan.FromMilliseconds(300) });
            builder.Logging.ClearProviders();
            // What is registered last wins, so the engine's store is replaced when everything is there.
            ((IHostApplicationBuilder)builder).ConfigureContainer(new DefaultServiceProviderFactory(), services =>
            {
                var make = services.Last(d => d.ServiceType == typeof(IEngineStore)).ImplementationFactory!;
                services.AddSingleton(p => line.Through((IEngineStore)make(p)));
            });
        });
        app.Services.GetRequiredService<ActivityRegistry>().Register(typeof(NoteRun));
        app.Services.GetRequiredService<ActivityRegistry>().Register(typeof(FailRun));
        app.Services.GetRequiredService<IEngineStore>().ClockOverride = clock.GetUtcNow;
        await ServerHost.PrepareAsync(app, ct);
        await app.StartAsync(ct);
        return new ScheduleNode(app, line) { Http = new HttpClient { BaseAddress = new Uri(app.Urls.First()) } };
    }

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        Line.Thaw();
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        try
        {
            await _app.StopAsync(limit.Token);
        }
        catch (Exception) when (Line.IsCut)
        {
            // A node whose database is gone can't hand anything over.
        }

        await _app.DisposeAsync();
    }
}

/// <summary>The only way of a node to its database. Cut, nothing gets through any more and no answer comes back; frozen, everything waits.</summary>
public sealed class Line
{
    private TaskCompletionSource _open = Opened();

    private (string Method, bool After)? _freezeAt;

    public bool IsCut { get; private set; }

    public void Cut() => IsCut = true;

    /// <summary>Freezes at the next call of a method of the store, before it gets through or after it was carried out.</summary>
    public void FreezeAt(string method, bool after) => _freezeAt = (method, after);

    /// <summary>Whether it is frozen.</summary>
    public bool IsFrozen => !_open.Task.IsCompleted;

    public void Freeze() => _open = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);

    public void Thaw() => _open.TrySetResult();

    public IEngineStore Through(IEngineStore store)
    {
        var through = DispatchProxy.Create<IEngineStore, Proxy<IEngineStore>>();
        ((Proxy<IEngineStore>)(object)through).Set(store, this);
        return through;
    }

    private static TaskCompletionSource Opened()
    {
        var open = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        open.SetResult();
        return open;
    }

    private void FreezeIfAt(string method, bool after)
    {
        if (_freezeAt != (method, after)) return;
        _freezeAt = null;
        Freeze();
    }

    private async Task<T> CallAsync<T>(string method, Func<Task<T>> call)
    {
        FreezeIfAt(method, after: false);
        await _open.Task;
        Throw();
        var result = await call();
        FreezeIfAt(method, after: true);
        await _open.Task;
        Throw();
        return result;
    }

    private void Throw()
    {
        if (IsCut) throw new IOException("This node is dead.");
    }

#pragma warning disable CA1852 // DispatchProxy derives from it.
    internal class Proxy<TTarget> : DispatchProxy where TTarget : class
#pragma warning restore CA1852
    {
        private static readonly MethodInfo Typed = typeof(Proxy<TTarget>).GetMethod(nameof(CallTyped), BindingFlags.Instance | BindingFlags.NonPublic)!;
        private TTarget _target = null!;
        private Line _line = null!;
        private IEngineDatabase? _database;

        public void Set(TTarget target, Line line) => (_target, _line) = (target, line);

        protected override object? Invoke(MethodInfo? targetMethod, object?[]? args)
        {
            var method = targetMethod!;
            if (method.Name == "get_Database")
            {
                if (_database is null)
                {
                    _database = DispatchProxy.Create<IEngineDatabase, Proxy<IEngineDatabase>>();
                    ((Proxy<IEngineDatabase>)(object)_database).Set(((IEngineStore)(object)_target).Database, _line);
                }

                return _database;
            }

            if (method.ReturnType == typeof(Task)) return _line.CallAsync(method.Name, async () =>
            {
                await (Task)Call(method, args)!;
                return true;
            });
            return method.ReturnType.IsGenericType && method.ReturnType.GetGenericTypeDefinition() == typeof(Task<>)
                ? Typed.MakeGenericMethod(method.ReturnType.GetGenericArguments()).Invoke(this, [method, args])
                : Call(method, args);
        }

        private Task<T> CallTyped<T>(MethodInfo method, object?[]? args) => _line.CallAsync(method.Name, () => (Task<T>)Call(method, args)!);

        private object? Call(MethodInfo method, object?[]? args)
        {
            try
            {
                return method.Invoke(_target, args);
            }
            catch (TargetInvocationException e) when (e.InnerException is not null)
            {
                ExceptionDispatchInfo.Throw(e.InnerException);
                throw;
            }
        }
    }
}

/// <summary>One database, a clock that only moves when told to, and nodes on them.</summary>
public abstract class ScheduleTest(Func<CancellationToken, Task<string?>> database) : IAsyncLifetime
{
    private readonly TemporaryFolder _folder = new();
    private readonly List<ScheduleNode> _nodes = [];
    private string _env = null!;

    /// <summary>2026-04-06 was a Monday.</summary>
    protected SteppedClock Clock { get; } = new(new DateTimeOffset(2026, 4, 6, 12, 0, 0, TimeSpan.Zero));

    /// <summary>Whether <see cref="FailRun"/> fails.</summary>
    protected FailRun.Switch Fails { get; } = new();

    protected static CancellationToken Ct => TestContext.Current.CancellationToken;

    protected ScheduleNode Node => _nodes[0];

    protected IReadOnlyList<ScheduleNode> Nodes => _nodes;

    protected ScheduleBook Book => Node.Book;

    protected DateTimeOffset Now => Clock.GetUtcNow();

    protected string DataFolder => Path.Combine(_folder.FullPath, "data");

    protected Dictionary<string, string> Settings { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        Settings = SandboxSettings.For("http://127.0.0.1:9", 9);
        Settings["PW_WORKFLOWS"] = Directory.CreateDirectory(Path.Combine(_folder.FullPath, "workflows")).FullName;
        if (await database(Ct) is { } url) Settings["DATABASE_URL"] = url;
        _env = Path.Combine(_folder.FullPath, "env");
        await File.WriteAllLinesAsync(_env, Settings.Select(s => $"{s.Key}={s.Value}"), Ct);
        await StartNodeAsync();
        await ExecuteAsync($"CREATE TABLE notes (schedule text, nominal {(Database.IsPostgres ? "timestamptz" : "TEXT")}, caught_up {(Database.IsPostgres ? "boolean" : "INTEGER")}, dry_run {(Database.IsPostgres ? "boolean" : "INTEGER")}, covers bigint, ran_at {(Database.IsPostgres ? "timestamptz" : "TEXT")})");
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var node in _nodes) await node.DisposeAsync();
        _folder.Dispose();
        GC.SuppressFinalize(this);
    }

    protected IPwDatabase Database => _nodes[^1].Services.GetRequiredService<IPwDatabase>();

    protected async Task<ScheduleNode> StartNodeAsync()
    {
        var node = await ScheduleNode.StartAsync(_env, DataFolder, Clock, Fails, Ct);
        _nodes.Add(node);
        return node;
    }

    /// <summary>Leaves a node to itself; whoever forgets it disposes of it.</summary>
    protected void Forget(ScheduleNode node) => _nodes.Remove(node);

    protected async Task StopNodeAsync(ScheduleNode node)
    {
        _nodes.Remove(node);
        await node.DisposeAsync();
    }

    protected Task<int> ExecuteAsync(string sql) => Database.ExecuteAsync(sql, Parameters.None, Ct);

    // ---- definitions

    /// <summary>A workflow of one schedule that notes its runs.</summary>
    /// <param name="name">Its id.</param>
    /// <param name="inputs">Inputs of the schedule, name and literal value.</param>
    /// <param name="then">Activities after the note, as JSON with a comma in front.</param>
    protected static string Definition(string name, IReadOnlyDictionary<string, string> inputs, string then = "") => Definition(name, [("schedule", inputs)], then);

    /// <summary>A workflow of several schedules; any of them runs the rest.</summary>
    protected static string Definition(string name, IReadOnlyList<(string Id, IReadOnlyDictionary<string, string> Inputs)> schedules, string then = "")
    {
        static string Input(KeyValuePair<string, string> i) =>
            """ "NAME":{"typeName":"String","expression":{"type":"Literal","value":"VALUE"}} """.Replace("NAME", char.ToLowerInvariant(i.Key[0]) + i.Key[1..], StringComparison.Ordinal).Replace("VALUE", i.Value, StringComparison.Ordinal);
        var texts = schedules.Select(s => """{"type":"Pw.Schedule","id":"ID","name":"ID","customProperties":{"canStartWorkflow":true},INPUTS}"""
            .Replace("ID", s.Id, StringComparison.Ordinal).Replace("INPUTS", string.Join(",", s.Inputs.Select(Input)), StringComparison.Ordinal));
        var links = schedules.Select(s => """{"source":{"activity":"ID","port":"Done"},"target":{"activity":"any","port":"In"}}""".Replace("ID", s.Id, StringComparison.Ordinal));
        return """
            {"definitionId":"NAME","id":"NAME:1","name":"NAME","version":1,
             "root":{"type":"Elsa.Flowchart","id":"f","activities":[TRIGGERS,
              {"type":"Elsa.FlowJoin","id":"any"},{"type":"Elsa.Sequence","id":"body","activities":[{"type":"Test.NoteRun","id":"note"}THEN]}],"connections":[LINKS,{"source":{"activity":"any","port":"Done"},"target":{"activity":"body","port":"In"}}]}}
            """.Replace("NAME", name, StringComparison.Ordinal).Replace("THEN", then, StringComparison.Ordinal).Replace("TRIGGERS", string.Join(",", texts), StringComparison.Ordinal).Replace("LINKS", string.Join(",", links), StringComparison.Ordinal);
    }

    protected static Dictionary<string, string> Cron(string cron, params (string Name, string Value)[] more)
    {
        var inputs = new Dictionary<string, string> { ["Cron"] = cron };
        foreach (var (name, value) in more) inputs[name] = value;
        return inputs;
    }

    /// <summary>An activity that waits for an event for ever.</summary>
    protected const string Hang = """,{"type":"Elsa.Event","id":"wait","eventName":{"typeName":"String","expression":{"type":"Literal","value":"go on"}}}""";

    protected Task<DefinitionRow> PublishAsync(string json, ScheduleNode? node = null) => (node ?? Node).Services.GetRequiredService<DefinitionPublisher>().PublishAsync(json, null, "test", Ct);

    protected Task GoOnAsync() => Node.Services.GetRequiredService<Elsa.Workflows.Runtime.IEventPublisher>().PublishAsync("go on", cancellationToken: Ct);

    // ---- looking

    protected Task<List<Note>> NotesAsync() => Database.QueryAsync(
        "SELECT schedule, nominal, caught_up, dry_run, covers, ran_at FROM notes ORDER BY nominal", Parameters.None,
        static r => new Note(r.GetString(0), r.GetFieldValue<DateTimeOffset>(1).ToUniversalTime(), r.GetBoolean(2), r.GetBoolean(3), r.GetInt64(4), r.GetFieldValue<DateTimeOffset>(5).ToUniversalTime()), Ct);

    protected async Task<ScheduleView> ShowAsync(string name) => await Nodes[^1].Book.FindAsync(name, Ct) ?? throw new InvalidOperationException($"There is no schedule {name}.");

    /// <summary>The runs, oldest due time first.</summary>
    protected async Task<List<ScheduleRunView>> RunsAsync(string name) => [.. (await Nodes[^1].Book.RunsAsync((await ShowAsync(name)).Id, null, null, 100_000, Ct)).OrderBy(r => r.NominalAt).ThenBy(r => r.Id, StringComparer.Ordinal)];

    /// <summary>Waits until nothing is due that was not looked at, and no run goes on.</summary>
    protected Task SettledAsync(string name, bool running = false) => Eventually.TrueAsync(async () =>
    {
        // The engine's look at its queue ends with a signal, the fake clock being still.
        foreach (var node in Nodes.Where(n => !n.Line.IsCut)) await WakeAsync(node);
        var s = await ShowAsync(name);
        return (s.NextRunAt is null || s.NextRunAt > Now) && (running ? s.Running > 0 : s.Running + s.Waiting == 0);
    }, $"{name} has settled", Ct);

    protected Task UntilAsync(Func<Task<bool>> condition, string expectation) => Eventually.TrueAsync(async () =>
    {
        foreach (var node in Nodes.Where(n => !n.Line.IsCut)) await WakeAsync(node);
        return await condition();
    }, expectation, Ct);

    private static async Task WakeAsync(ScheduleNode node)
    {
        try
        {
            await node.Services.GetRequiredService<IEngineStore>().LookAgainAsync(Ct);
        }
        catch (IOException)
        {
            // Dead in between.
        }
    }

    protected static DateTimeOffset At(string text) => DateTimeOffset.Parse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal);
}

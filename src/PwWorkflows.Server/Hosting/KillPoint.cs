using System.Diagnostics;
using System.Globalization;
using System.Reflection;
using System.Runtime.ExceptionServices;
using Microsoft.Extensions.Options;
using PwWorkflows.Activities;
using PwWorkflows.Engine;
using PwWorkflows.Engine.Storage;

namespace PwWorkflows.Server.Hosting;

/// <summary><c>PW_KILL_AT</c>, for crash tests in the sandbox: <c>before|after:n:order</c>. With n = 0 commits are only counted. Every other environment refuses it.</summary>
internal sealed class KillPointOptions
{
    /// <summary>Name of the variable.</summary>
    public const string Variable = "PW_KILL_AT";

    /// <summary>Number of the commit, from 1; 0 for none. Null: nothing is watched.</summary>
    public int? At { get; private set; }

    /// <summary>Right after the commit instead of right before it.</summary>
    public bool After { get; private set; }

    /// <summary>The order whose commits count.</summary>
    public string Order { get; private set; } = "";

    /// <summary>Reads the setting.</summary>
    public void Bind(SettingsReader settings)
    {
        var text = settings.Text(Variable);
        if (text.Length == 0) return;
        if (text.Split(':') is [("before" or "after") and var when, var number, { Length: > 0 } order] && int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var at))
            (After, At, Order) = (when == "after", at, order);
        else settings.Problem($"{Variable}: expected before or after, the number of a commit and an order, as in after:7:CO-1A2B3C4D, found '{text}'.");
    }
}

/// <summary>Kills this process (SIGKILL) right before or right after the n-th commit of one order, and logs each commit.</summary>
internal sealed partial class KillPoint(IOptions<KillPointOptions> options, ILogger<KillPoint> logger)
{
    private readonly KillPointOptions _options = options.Value;
    private int _count;

    /// <summary>Whether commits are watched.</summary>
    public bool IsSet => _options.At is not null;

    /// <summary>Makes a commit, unless the process dies at it.</summary>
    /// <param name="correlation">Correlation id of the instance that commits.</param>
    /// <param name="values">Values of the commit by which it may be known as one of the order.</param>
    /// <param name="what">What is committed, for the log.</param>
    /// <param name="commit">Does it.</param>
    public async Task<T> CommitAsync<T>(string? correlation, IEnumerable<object?> values, string what, Func<Task<T>> commit)
    {
        if (correlation != _options.Order && !values.Any(v => v is string text && text.Contains(_options.Order, StringComparison.Ordinal))) return await commit().ConfigureAwait(false);
        var number = Interlocked.Increment(ref _count);
        LogCommit(logger, number, what);
        if (number == _options.At && !_options.After) Process.GetCurrentProcess().Kill();
        var result = await commit().ConfigureAwait(false);
        if (number == _options.At && _options.After) Process.GetCurrentProcess().Kill();
        return result;
    }

    /// <summary>A store whose instance commits pass through this.</summary>
    public IEngineStore Watch(IEngineStore store)
    {
        var watched = DispatchProxy.Create<IEngineStore, StoreProxy>();
        ((StoreProxy)watched).Set(store, this);
        return watched;
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "[kill-point] commit {Number}: {What}")]
    private static partial void LogCommit(ILogger logger, int number, string what);

#pragma warning disable CA1852 // DispatchProxy derives from it.
    private class StoreProxy : DispatchProxy
#pragma warning restore CA1852
    {
        private IEngineStore _store = null!;
        private KillPoint _point = null!;

        public void Set(IEngineStore store, KillPoint point) => (_store, _point) = (store, point);

        protected override object? Invoke(MethodInfo? targetMethod, object?[]? args)
        {
            if (targetMethod!.Name == nameof(IEngineStore.CommitAsync) && args is [InstanceCommit commit, CancellationToken ct])
            {
                var values = commit.Writes.SelectMany(static w => w.Parameters.Select(static p => p.Value));
                return _point.CommitAsync(commit.Instance.CorrelationId, values, $"{commit.Instance.DefinitionId} {commit.Instance.Status}", () => _store.CommitAsync(commit, ct));
            }

            try
            {
                return targetMethod.Invoke(_store, args);
            }
            catch (TargetInvocationException e) when (e.InnerException is not null)
            {
                ExceptionDispatchInfo.Throw(e.InnerException);
                throw;
            }
        }
    }
}

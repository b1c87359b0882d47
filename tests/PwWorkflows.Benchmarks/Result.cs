using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace PwWorkflows.Benchmarks;

/// <summary>One figure of a bench.</summary>
/// <param name="Name">The bench, with what it measured after a slash when it measures several things.</param>
/// <param name="Database"><c>sqlite</c> or <c>postgres</c>.</param>
/// <param name="Clients">How many callers at once.</param>
/// <param name="Value">The figure: the median of the rounds.</param>
/// <param name="Unit">What it counts.</param>
/// <param name="Floor">The floor's figure in the same rounds, where there is one.</param>
/// <param name="P50">Median latency in milliseconds, where calls were timed.</param>
/// <param name="P99">99th percentile of the latency in milliseconds.</param>
/// <param name="FloorP99">The floor's 99th percentile in milliseconds.</param>
/// <param name="Cpu">Processor time of the server per call in microseconds, database not counted.</param>
/// <param name="FloorCpu">The same of the floor.</param>
public sealed record Result(string Name, string Database, int Clients, double Value, string Unit, double? Floor = null, double? P50 = null, double? P99 = null, double? FloorP99 = null, double? Cpu = null, double? FloorCpu = null)
{
    private static readonly JsonSerializerOptions Options = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.Never };

    /// <summary><see cref="Value"/> over <see cref="Floor"/>.</summary>
    public double? Ratio => Floor is > 0 ? Value / Floor : null;

    public string Line() =>
        $"{Name} {Database} {Clients}: {Number(Value)} {Unit}" + (Floor is { } f ? $", floor {Number(f)}, ratio {Ratio:0.00}" : "") + (P99 is { } p ? $", p50 {P50:0.00} ms, p99 {p:0.00} ms" : "")
        + (FloorP99 is { } q ? $" (floor {q:0.00} ms)" : "") + (Cpu is { } c ? $", {c:0} µs of processor a call (floor {FloorCpu:0})" : "");

    public static string Json(IEnumerable<Result> results) => JsonSerializer.Serialize(
        results.Select(static r => new { r.Name, r.Database, r.Clients, Value = Math.Round(r.Value, 2), r.Unit, Ratio = Round(r.Ratio), P50Ms = Round(r.P50), P99Ms = Round(r.P99), Floor = Round(r.Floor), FloorP99Ms = Round(r.FloorP99), CpuUs = Round(r.Cpu), FloorCpuUs = Round(r.FloorCpu) }),
        Options);

    public static string Table(IReadOnlyList<Result> results)
    {
        var text = new StringBuilder("| bench | database | clients | value | unit | floor | ratio | p50 ms | p99 ms | floor p99 ms | cpu µs | floor cpu µs |").AppendLine().Append("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |").AppendLine();
        foreach (var r in results)
            text.AppendLine(CultureInfo.InvariantCulture, $"| {r.Name} | {r.Database} | {r.Clients} | {Number(r.Value)} | {r.Unit} | {Cell(r.Floor)} | {Small(r.Ratio)} | {Small(r.P50)} | {Small(r.P99)} | {Small(r.FloorP99)} | {Whole(r.Cpu)} | {Whole(r.FloorCpu)} |");
        return text.ToString().TrimEnd();
    }

    private static double? Round(double? value) => value is { } v ? Math.Round(v, 3) : null;

    private static string Number(double value) => value.ToString(value >= 100 ? "#,0" : "0.##", CultureInfo.InvariantCulture);

    private static string Cell(double? value) => value is { } v ? Number(v) : "";

    private static string Whole(double? value) => value is { } v ? v.ToString("0", CultureInfo.InvariantCulture) : "";

    private static string Small(double? value) => value is { } v ? v.ToString("0.00", CultureInfo.InvariantCulture) : "";
}

/// <summary>What is asked for on the command line.</summary>
public sealed record BenchOptions(IReadOnlyList<string> Names, bool Json, IReadOnlyList<string> Databases, int Rounds, TimeSpan Duration, IReadOnlyList<int> Clients)
{
    public static BenchOptions? Parse(string[] args, IReadOnlyCollection<string> known, out string wrong)
    {
        wrong = "";
        var names = new List<string>();
        var (json, rounds, seconds, one) = (false, 3, 3, 0);
        string[] databases = ["postgres", "sqlite"];
        for (var i = 0; i < args.Length; i++)
        {
            switch (args[i])
            {
                case "--json": json = true; break;
                case "--database" when i + 1 < args.Length && databases.Contains(args[i + 1]): databases = [args[++i]]; break;
                case "--rounds" when i + 1 < args.Length && int.TryParse(args[i + 1], out rounds) && rounds is > 0 and < 100: i++; break;
                case "--seconds" when i + 1 < args.Length && int.TryParse(args[i + 1], out seconds) && seconds is > 0 and < 600: i++; break;
                case "--clients" when i + 1 < args.Length && int.TryParse(args[i + 1], out one) && one is > 0 and <= 64: i++; break;
                default:
                    if (!known.Contains(args[i]))
                    {
                        wrong = $"'{args[i]}' is no bench and no option, or has a wrong value";
                        return null;
                    }

                    names.Add(args[i]);
                    break;
            }
        }

        return new BenchOptions(names, json, databases, rounds, TimeSpan.FromSeconds(seconds), one > 0 ? [one] : [1, 8, 32]);
    }
}

/// <summary>A bench.</summary>
public interface IBench
{
    /// <summary>Its name on the command line.</summary>
    string Name { get; }

    /// <summary>Measures on one database.</summary>
    Task<IReadOnlyList<Result>> MeasureAsync(Parts.Run run, CancellationToken ct);
}

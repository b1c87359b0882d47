using PwWorkflows.Benchmarks;
using PwWorkflows.Benchmarks.Benches;
using PwWorkflows.Benchmarks.Parts;

// The floor of a bench runs in a process of its own, as the server does.
if (args is ["floor", .. var floor]) return await FloorServer.RunAsync(floor);

IBench[] all = [new WebhookAck(), new Fulfilment(), new HttpWorkflow(), new SuspendResume(), new WakeUp(), new Timers(), new Start(), new Memory(), new StudioList()];
var options = BenchOptions.Parse(args, [.. all.Select(static b => b.Name)], out var wrong);
if (options is null)
{
    Console.Error.WriteLine($"bench: {wrong}");
    Console.Error.WriteLine($"Usage: ./bench [NAME ...] [--json] [--database sqlite|postgres] [--rounds N] [--seconds N] [--clients N]{Environment.NewLine}Names: {string.Join(", ", all.Select(static b => b.Name))}");
    return 2;
}

using var stop = new CancellationTokenSource();
Console.CancelKeyPress += (_, e) =>
{
    e.Cancel = true;
    stop.Cancel();
};
var results = new List<Result>();
foreach (var bench in all.Where(b => options.Names.Count == 0 || options.Names.Contains(b.Name)))
{
    foreach (var database in options.Databases)
    {
        Console.Error.WriteLine($"== {bench.Name} on {database}");
        await using var run = new Run(database, options);
        foreach (var result in await bench.MeasureAsync(run, stop.Token))
        {
            Console.Error.WriteLine("   " + result.Line());
            results.Add(result);
        }
    }
}

Console.Out.WriteLine(options.Json ? Result.Json(results) : Result.Table(results));
return 0;

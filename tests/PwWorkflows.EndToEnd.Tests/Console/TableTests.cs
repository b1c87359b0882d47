using System.Globalization;
using System.Net.Http.Json;
using PwWorkflows.EndToEnd.Tests.Infrastructure;

namespace PwWorkflows.EndToEnd.Tests.Pages;

[Collection(ConsoleTests.Name)]
public sealed class TablesOnPostgresTests(ConsoleScene console) : TableContract
{
    private protected override (Uri Server, string Secret) Where => (console.Scene.Server.BaseUrl, console.Scene.Settings["WEBHOOK_SECRET"]);
}

public sealed class TablesOnSqliteTests(RunningServer running) : TableContract
{
    private protected override (Uri Server, string Secret) Where => (running.Server.BaseUrl, running.Settings["WEBHOOK_SECRET"]);
}

/// <summary>Tables page by keyset, and nothing is shown twice or left out.</summary>
public abstract class TableContract
{
    private const int Orders = 112;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private protected abstract (Uri Server, string Secret) Where { get; }

    [Fact]
    public async Task Pages_go_forth_and_back_without_a_gap_and_the_csv_holds_all_rows()
    {
        var name = "Paging " + Guid.NewGuid().ToString("N")[..8];
        using var api = new HttpClient { BaseAddress = Where.Server };
        api.DefaultRequestHeaders.Add("X-Webhook-Secret", Where.Secret);
        var placed = new List<string>();
        for (var i = 0; i < Orders; i++)
        {
            placed.Add("CO-" + Guid.NewGuid().ToString("N")[..8].ToUpperInvariant());
            using var answer = await api.PostAsJsonAsync("/api/v1/orders", new { order_number = placed[^1], service_slug = "paging-test", amount_cents = 100 + i, currency = i == 8 ? "eur" : "usd", customer = new { name = i switch { 7 => name + " =cmd()", 8 => name + ";half", 9 => name + "\ttab", _ => name }, email = "paging@carrier.net" }, intake_data = new { } }, Ct);
            Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync(Ct));
        }

        placed.Reverse(); // The newest stands first.
        using var console = await ConsoleHttp.SignInAsync(Where.Server, "viewer", Ct);
        // In any case, by how the name begins.
        var first = "/orders?q=" + Uri.EscapeDataString(name.ToUpperInvariant());
        var seen = new List<string>();
        string? path = first, last = null;
        for (var pages = 0; path is not null; pages++)
        {
            Assert.True(pages < 5);
            var page = await console.PageAsync(path, Ct);
            seen.AddRange(ConsoleHttp.Column(page, "Order"));
            last = path;
            path = page.QuerySelector("a[rel=next]")?.GetAttribute("href");
        }

        Assert.Equal(placed, seen);
        var back = await console.PageAsync((await console.PageAsync(last!, Ct)).QuerySelector("a[rel=prev]")!.GetAttribute("href")!, Ct);
        Assert.Equal(placed[50..100], ConsoleHttp.Column(back, "Order"));
        var start = await console.PageAsync(back.QuerySelector("a[rel=prev]")!.GetAttribute("href")!, Ct);
        Assert.Equal(placed[..50], ConsoleHttp.Column(start, "Order"));

        var sorted = await console.PageAsync(first + "&sort=order", Ct);
        Assert.Equal(placed.Order(StringComparer.Ordinal).Take(50), ConsoleHttp.Column(sorted, "Order"));
        Assert.Empty(ConsoleHttp.Column(await console.PageAsync(first + "&status=completed", Ct), "Order"));
        Assert.Equal(50, ConsoleHttp.Column(await console.PageAsync(first + "&status=new", Ct), "Order").Count);
        Assert.Empty(ConsoleHttp.Column(await console.PageAsync(first + "&after=nonsense", Ct), "Order"));

        var csv = (await console.TextAsync(first + "&format=csv", Ct)).Split("\r\n", StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(Orders + 1, csv.Length);
        Assert.StartsWith("Order,Customer,Service,Status", csv[0], StringComparison.Ordinal);
        Assert.Equal(placed, csv[1..].Select(l => l.Split(',')[0]));
        Assert.All(csv[1..], l => Assert.EndsWith(l.StartsWith(placed[^9], StringComparison.Ordinal) ? ",eur,pending," : ",usd,pending,", l, StringComparison.Ordinal));
        // Some spreadsheets part fields at other signs.
        Assert.Equal($"\"{name};half\"", csv[Orders - 8].Split(',')[1]);
        Assert.Equal($"\"{name}\ttab\"", csv[Orders - 9].Split(',')[1]);
        Assert.Equal("1.08 EUR", Assert.Single(ConsoleHttp.Column(await console.PageAsync("/orders?q=" + placed[^9], Ct), "Amount")));
        Assert.Equal((100 + Orders - 1).ToString(CultureInfo.InvariantCulture), csv[1].Split(',')[5]);
    }

    [Theory]
    [InlineData("/")]
    [InlineData("/orders")]
    [InlineData("/webhooks")]
    [InlineData("/webhooks?order=CO-00000000&status=rejected&event=evt_1")]
    [InlineData("/filings")]
    [InlineData("/filings?order=CO-00000000&filer=812345&confirmation=X")]
    [InlineData("/orders?q=0031234567")]
    [InlineData("/search?q=some%20customer")]
    [InlineData("/instances")]
    [InlineData("/instances?definition=a&step=b&kind=c")]
    [InlineData("/definitions")]
    [InlineData("/definitions/service-fcc-499a")]
    [InlineData("/status")]
    [InlineData("/audit?actor=a&subject=b")]
    [InlineData("/audit?actor=a%00")]
    [InlineData("/orders?q=a%00b")]
    [InlineData("/search?q=a%00b")]
    [InlineData("/approvals?title=a%00b")]
    [InlineData("/orders?after=WyJ2IiwiYVx1MDAwMCIsImJcdTAwMDAiXQ&sort=order")]
    public async Task Page_can_be_read(string path)
    {
        using var console = await ConsoleHttp.SignInAsync(Where.Server, "viewer", Ct);
        var page = await console.PageAsync(path, Ct);
        Assert.NotNull(page.QuerySelector("h1"));
    }
}

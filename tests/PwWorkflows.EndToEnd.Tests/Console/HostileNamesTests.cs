using System.Net.Http.Json;
using System.Text.Json;
using AngleSharp.Dom;
using PwWorkflows.EndToEnd.Tests.Infrastructure;

namespace PwWorkflows.EndToEnd.Tests.Pages;

/// <summary>What others called something stays text on every page that shows it. Each of its quotes and brackets would break out of some place where it could stand.</summary>
public sealed class HostileNamesTests(RunningServer running)
{
    private const string Hostile = """'"></td></a></script><script>window.hacked=1</script><img src=x onerror="window.hacked=1"> & Söhne""";

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Markup_in_the_names_that_others_give_stays_text_on_every_page()
    {
        var token = await running.TokenAsync("admin", Ct);
        var mark = Guid.NewGuid().ToString("N")[..8];
        var (order, workflow) = ("CO-" + mark.ToUpperInvariant(), "hostile-" + mark);
        using (var placing = new HttpRequestMessage(HttpMethod.Post, "/api/v1/orders")
        {
            Headers = { { "X-Webhook-Secret", running.Settings["WEBHOOK_SECRET"] } },
            Content = JsonContent.Create(new { order_number = order, service_slug = "fcc-499a", amount_cents = 100, customer = new { name = Hostile, email = "hostile@carrier.net" }, intake_data = new { note = Hostile } }),
        })
        using (var placed = await running.Http.SendAsync(placing, Ct)) Assert.True(placed.IsSuccessStatusCode, await placed.Content.ReadAsStringAsync(Ct));

        // A caller without a signature is kept in the inbox, with its headers.
        using (var knocking = new HttpRequestMessage(HttpMethod.Post, "/api/v1/webhooks/stripe") { Content = JsonContent.Create(new { id = "evt_" + mark, type = Hostile }) })
        {
            knocking.Headers.TryAddWithoutValidation("X-Hostile", Ascii(Hostile) + mark);
            knocking.Headers.TryAddWithoutValidation("User-Agent", Ascii(Hostile) + mark);
            using var refused = await running.Http.SendAsync(knocking, Ct);
            Assert.False(refused.IsSuccessStatusCode);
        }

        await SaveAsync(token, workflow, new
        {
            type = "Elsa.Sequence",
            id = "all",
            version = 1,
            activities = new object[]
            {
                new { type = "Pw.Schedule", id = "schedule", name = Hostile, version = 1, customProperties = new { canStartWorkflow = true }, cron = Input("String", "Literal", "0 9 1 1 *") },
                new
                {
                    type = "Pw.RequestApproval", id = "ask", name = Hostile, version = 1, metadata = new { displayText = Hostile },
                    title = Input("String", "Literal", Hostile + mark), orderNumber = Input("String", "Literal", order), ifApproved = Input("String", "Literal", Hostile), ifRejected = Input("String", "Literal", Hostile),
                    details = Input("ObjectDictionary", "JavaScript", $"({{ [{JsonSerializer.Serialize(Hostile)}]: {JsonSerializer.Serialize(Hostile)} }})"),
                },
            },
        });
        using (var started = await Api.SendAsync(running.Http, HttpMethod.Post, $"/elsa/api/workflow-definitions/{workflow}/dispatch", token, new { triggerActivityId = "schedule", correlationId = Hostile }, Ct)) Assert.True(started.IsSuccessStatusCode, await started.Content.ReadAsStringAsync(Ct));
        // One that faults, with a hostile message.
        await SaveAsync(token, workflow + "-stuck", new { type = "Elsa.Fault", id = "fault", name = Hostile, version = 1, message = Input("String", "Literal", Hostile + mark), code = Input("String", "Literal", Hostile) });
        using (var started = await Api.SendAsync(running.Http, HttpMethod.Post, $"/elsa/api/workflow-definitions/{workflow}-stuck/dispatch", token, new { }, Ct)) Assert.True(started.IsSuccessStatusCode, await started.Content.ReadAsStringAsync(Ct));

        JsonElement approval = default, stuck = default;
        await Eventually.TrueAsync(async () => (approval = (await Api.GetAsync(running.Http, "/api/v1/admin/approvals", token, Ct)).GetProperty("approvals").EnumerateArray().FirstOrDefault(a => a.GetProperty("title").GetString() == Hostile + mark)).ValueKind == JsonValueKind.Object, "it waits for an approval", Ct);
        await Eventually.TrueAsync(async () => (stuck = (await Api.GetAsync(running.Http, $"/api/v1/admin/workflow-instances?status=faulted&definition_id={workflow}-stuck", token, Ct)).GetProperty("workflow_instances").EnumerateArray().FirstOrDefault()).ValueKind == JsonValueKind.Object, "it is stuck", Ct);
        using var pages = await ConsoleHttp.SignInAsync(running.Server.BaseUrl, "admin", Ct);
        var webhook = "";
        foreach (var line in (await Api.GetAsync(running.Http, "/api/v1/admin/webhooks?take=50", token, Ct)).GetProperty("webhooks").EnumerateArray())
        {
            if ((await pages.TextAsync(webhook = "/webhooks/" + line.GetProperty("id").GetRawText(), Ct)).Contains(mark, StringComparison.Ordinal)) break;
        }

        var query = Uri.EscapeDataString(Hostile);
        foreach (var path in (string[])
        [
            "/orders", "/orders/" + order, "/orders?q=" + query, "/search?q=%3Cb%3E" + query, "/approvals", "/approvals/" + approval.GetProperty("id").GetString(), "/approvals?title=" + query, "/definitions", "/definitions/" + workflow,
            $"/instances/{stuck.GetProperty("id").GetString()}/log", "/instances", "/todos", "/", webhook,
        ])
        {
            var page = await pages.PageAsync(path, Ct);
            Assert.True(page.Body!.TextContent.Contains(path.StartsWith("/webhooks", StringComparison.Ordinal) ? Ascii(Hostile) : Hostile, StringComparison.Ordinal) || page.QuerySelectorAll("input").Any(i => i.GetAttribute("value")?.Contains(Hostile, StringComparison.Ordinal) == true), $"{path} does not show it:\n{page.Body.TextContent}");
            AssertHarmless(path, page);
        }

        // These name it in another way, or not at all.
        foreach (var path in (string[])["/schedules", "/schedules/" + workflow, "/schedules/calendar?month=2027-01", "/audit", "/webhooks", "/status", "/live/rail", "/mails", "/records", "/treasury", "/sign-in?next=" + query, "/schedules/" + query, "/definitions/" + query, "/orders/" + query])
            AssertHarmless(path, await pages.AnyPageAsync(path, Ct));
    }

    private static string Ascii(string text) => text.Replace("ö", "o", StringComparison.Ordinal);

    private static object Input(string type, string language, string value) => new { typeName = type, expression = new { type = language, value } };

    private async Task SaveAsync(string token, string id, object root)
    {
        using var saved = await Api.SendAsync(running.Http, HttpMethod.Post, "/elsa/api/workflow-definitions", token, new { model = new { definitionId = id, name = Hostile, description = Hostile, root }, publish = true }, Ct);
        Assert.True(saved.IsSuccessStatusCode, await saved.Content.ReadAsStringAsync(Ct));
    }

    private static void AssertHarmless(string path, IDocument page)
    {
        Assert.True(!page.QuerySelectorAll("script").Any(s => s.TextContent.Trim().Length > 0 || s.GetAttribute("src")?.StartsWith('/') != true), $"{path}: a script stands in the page");
        Assert.True(!page.All.Any(e => e.Attributes.Any(a => a.Name.StartsWith("on", StringComparison.OrdinalIgnoreCase))), $"{path}: an element calls a script");
        Assert.True(page.QuerySelector("img[src=x]") is null, $"{path}: a foreign element stands in the page");
        Assert.True(!page.Links.Any(l => l.GetAttribute("href")?.TrimStart().StartsWith("javascript:", StringComparison.OrdinalIgnoreCase) == true), $"{path}: a link calls a script");
    }
}

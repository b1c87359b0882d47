using System.Net.Http.Json;
using System.Text.Json;
using Microsoft.Playwright;
using Npgsql;
using PwWorkflows.EndToEnd.Tests.MainJob;

namespace PwWorkflows.EndToEnd.Tests.Pages;

/// <summary>Orders, what came in about them, and what was filed.</summary>
[Collection(ConsoleTests.Name)]
public sealed class OrderPagesTests(ConsoleScene console)
{
    private const string Hostile = "<script>window.hacked=1</script><img src=x onerror=\"window.hacked=1\"> & Söhne";

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private Scene Scene => console.Scene;

    [Fact]
    public async Task An_orders_page_tells_its_whole_story_and_is_found_by_every_id()
    {
        var order = await Scene.OrderAsync(Ct);
        var done = await Scene.CompletedAsync(order, Ct);
        var (salesOrder, confirmation) = (Scene.Text(done, "sales_order")!, Scene.Text(done, "filing", "confirmation_number")!);
        await using (var tab = await console.OpenAsync("viewer", "/orders/" + order))
        {
            foreach (var part in (string[])["stripe sent checkout.session.completed", $"{salesOrder} moved to Service Queued", "order-fulfilment version", "service-fcc-499a version", "14 screens", "20 files", "We have your order", $"confirmation {confirmation}"])
                await tab.SeesAsync(part);
            foreach (var picture in await tab.Page.Locator(".pictures img").AllAsync())
            {
                await picture.ScrollIntoViewIfNeededAsync();
                await Eventually.TrueAsync(() => picture.EvaluateAsync<bool>("i => i.complete && i.naturalWidth > 0"), "the screen is shown", Ct);
            }

            Assert.StartsWith("/studio/host/instance?id=", await tab.Page.Locator(".timeline a", new() { HasText = "service-fcc-499a version 1" }).First.GetAttributeAsync("href"), StringComparison.Ordinal);
            await tab.PictureAsync("order");
            using (var http = await ConsoleHttp.SignInAsync(Scene.Server.BaseUrl, "viewer", Ct))
            {
                var changes = (await http.TextAsync($"/orders/{order}?format=csv&key=mail:&sort=-key", Ct)).Split("\n", StringSplitOptions.RemoveEmptyEntries);
                Assert.StartsWith("Key,State,", changes[0], StringComparison.Ordinal);
                Assert.NotEmpty(changes[1..]);
                Assert.All(changes[1..], c => Assert.StartsWith("mail:" + order, c, StringComparison.Ordinal));
            }

            foreach (var text in (string[])[salesOrder, order, "sandbox voice", "0031234567", "831234"])
            {
                await tab.GoAsync("/orders");
                await tab.Page.FillAsync("input[name=q] >> nth=1", text);
                await tab.Page.GetByRole(AriaRole.Button, new() { Name = "Filter" }).ClickAsync();
                await tab.Page.Locator("td[data-label=Order]").GetByText(order).WaitForAsync();
            }

            await tab.PictureAsync("orders");
            foreach (var (text, path) in ((string, string)[])[(order, "/orders/" + order), (salesOrder, "/orders/" + order), ("831234", "/orders?q=831234"), (confirmation, "/filings/"), (await EventOfAsync(order), "/webhooks/")])
            {
                await tab.Page.FillAsync(".search input", text);
                await tab.Page.Keyboard.PressAsync("Enter");
                await Eventually.TrueAsync(() => tab.Page.Url.Contains(path, StringComparison.Ordinal), $"{text} leads to {path}", Ct);
            }

            await tab.GoAsync("/search?q=nothing-like-this");
            await tab.SeesAsync("Nothing is known by “nothing-like-this”.");
            tab.Expect(404);
            await tab.GoAsync("/orders/CO-00000000");
            await tab.SeesAsync("There is no order “CO-00000000”.");
            await tab.PictureAsync("order-missing");
        }

        await using var phone = await console.OpenAsync("viewer", "/orders/" + order, phone: true, dark: true);
        await phone.PictureAsync("order");
        await phone.GoAsync("/orders");
        await phone.PictureAsync("orders");
    }

    [Fact]
    public async Task Markup_in_a_customers_name_stays_text()
    {
        var order = "CO-" + Guid.NewGuid().ToString("N")[..8].ToUpperInvariant();
        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/v1/orders")
        {
            Headers = { { "X-Webhook-Secret", Scene.Settings["WEBHOOK_SECRET"] } },
            Content = JsonContent.Create(new { order_number = order, service_slug = "fcc-499a", amount_cents = 100, customer = new { name = Hostile, email = "hostile@carrier.net" }, intake_data = new { } }),
        };
        using (var answer = await Scene.Server.Http.SendAsync(request, Ct)) Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync(Ct));
        await using var tab = await console.OpenAsync("viewer", "/orders");
        foreach (var path in (string[])["/orders", "/orders/" + order, "/orders?q=" + Uri.EscapeDataString(Hostile)])
        {
            await tab.GoAsync(path);
            await tab.SeesAsync(Hostile);
            Assert.False(await tab.Page.EvaluateAsync<bool>("() => 'hacked' in window"));
            Assert.Equal(0, await tab.Page.Locator("main script, main img[src=x]").CountAsync());
        }

        await tab.GoAsync("/search?q=" + Uri.EscapeDataString("<b>" + Hostile));
        await tab.SeesAsync("<b>" + Hostile);
    }

    [Fact]
    public async Task An_event_that_came_to_nothing_is_replayed_by_an_operator_and_not_by_a_viewer()
    {
        var order = "CO-" + Guid.NewGuid().ToString("N")[..8].ToUpperInvariant();
        var early = await Scene.CheckoutAsync(new { service_slug = "fcc-compliance-checkup", order_number = order, place = false }, Ct);
        var eventId = Scene.Text(early, "event_id")!;
        long line, secrets;
        await using (var database = NpgsqlDataSource.Create(Scene.Database!))
        {
            await using var give = database.CreateCommand("UPDATE webhook_inbox SET status = 'gave_up', reason = 'no such order within a day' WHERE event_id = $1 RETURNING id");
            give.Parameters.AddWithValue(eventId);
            line = (long)(await give.ExecuteScalarAsync(Ct))!;
            await using var add = database.CreateCommand(
                """
                INSERT INTO webhook_inbox (provider, received_at, status, headers, body)
                VALUES ('stripe', now(), 'rejected', '{"Content-Type":"application/json","X-Api-Key":"very-secret"}', convert_to('{"name":"shown","client_secret":"very-secret","deep":[{"access_token":"very-secret"}]}', 'UTF8')) RETURNING id
                """);
            secrets = (long)(await add.ExecuteScalarAsync(Ct))!;
        }

        await Scene.CheckoutAsync(new { service_slug = "fcc-compliance-checkup", order_number = order, deliver = false }, Ct);
        await using (var viewer = await console.OpenAsync("viewer", "/webhooks/" + line))
        {
            await viewer.SeesAsync("no such order within a day");
            Assert.Equal(0, await viewer.Page.GetByText("Replay this event").CountAsync());
            await viewer.GoAsync("/webhooks/" + secrets);
            await viewer.SeesAsync("\"client_secret\": \"••••••\"");
            await viewer.SeesAsync("\"name\": \"shown\"");
            Assert.DoesNotContain("very-secret", await viewer.Page.ContentAsync(), StringComparison.Ordinal);
        }

        using (var http = await ConsoleHttp.SignInAsync(Scene.Server.BaseUrl, "viewer", Ct))
        {
            var refused = await http.SendAsync("/", $"/webhooks/{line}?handler=Replay", [], Ct);
            Assert.Equal(403, (int)refused.Status);
            Assert.Contains("Your role does not allow this.", refused.Body, StringComparison.Ordinal);
        }

        await using var tab = await console.OpenAsync("operator", "/webhooks?status=gave_up");
        await tab.Page.Locator($"a[href='/webhooks/{line}']").ClickAsync();
        await tab.PictureAsync("webhook");
        tab.Page.Dialog += (_, dialog) => dialog.AcceptAsync();
        await tab.Page.GetByText("Replay this event").ClickAsync();
        await tab.SeesAsync($"{eventId} was delivered again and taken.");
        await tab.PictureAsync("webhooks");
        await Scene.UntilAsync(order, o => Scene.Text(o, "status") == "paid", "paid", Ct);

        await tab.GoAsync("/webhooks/" + line);
        await tab.SeesAsync("It has been replayed already");
        await using var phone = await console.OpenAsync("viewer", "/webhooks", phone: true);
        await phone.PictureAsync("webhooks");
    }

    [Theory]
    [InlineData("""{"shown":1,"shown":2,"client_secret":"hush","deep":{"api\u005fkey": "hush \" hush","signature" : hush, "pin_token":12345}}""")]
    [InlineData("""{"shown":"\ud800","password":"hush"}""")]
    [InlineData("""{"shown":1,"\ud800":1,"\ud800token":"hush","Authorization":"hush"}""")]
    [InlineData("""{"shown":1,"\u0070assword":"hush""")]
    public async Task A_body_that_is_no_good_json_is_shown_as_text_without_its_secrets(string body)
    {
        await using var database = NpgsqlDataSource.Create(Scene.Database!);
        await using var add = database.CreateCommand("INSERT INTO webhook_inbox (provider, received_at, status, headers, body) VALUES ('stripe', now(), 'rejected', '{}', $1) RETURNING id");
        add.Parameters.AddWithValue(System.Text.Encoding.UTF8.GetBytes(body));
        using var http = await ConsoleHttp.SignInAsync(Scene.Server.BaseUrl, "viewer", Ct);
        var text = (await http.PageAsync($"/webhooks/{(long)(await add.ExecuteScalarAsync(Ct))!}", Ct)).QuerySelector("pre")!.TextContent;
        Assert.Contains("shown", text, StringComparison.Ordinal);
        Assert.Contains("••••••", text, StringComparison.Ordinal);
        Assert.DoesNotContain("hush", text, StringComparison.Ordinal);
        Assert.DoesNotContain("12345", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_evidence_of_a_filing_is_shown_and_a_changed_byte_is_found()
    {
        var order = await Scene.OrderAsync(Ct);
        await Scene.CompletedAsync(order, Ct);
        await using var tab = await console.OpenAsync("viewer", "/filings?order=" + order);
        await tab.PictureAsync("filings");
        await tab.Page.Locator("td[data-label=Form] a").ClickAsync();
        await tab.SeesAsync("Place in the chain");
        await tab.SeesAsync("1200 Congress Avenue, Suite 400");
        var path = new Uri(tab.Page.Url).AbsolutePath;
        await tab.Page.GetByText("Verify the evidence").ClickAsync();
        await tab.SeesAsync("As recorded.");
        await tab.PictureAsync("filing");
        await tab.GoAsync("/orders/" + order);
        await tab.Page.Locator(".timeline li", new() { HasText = "viewer filings verify" }).First.WaitForAsync();
        await tab.GoAsync(path);
        var files = await tab.Page.Locator("[aria-labelledby=files] a").EvaluateAllAsync<string[]>("links => links.map(l => l.getAttribute('href'))");
        Assert.Equal(20, files.Length);
        foreach (var file in files)
        {
            var answer = await tab.Page.APIRequest.GetAsync(file);
            Assert.Equal(200, answer.Status);
            Assert.StartsWith("default-src 'none'", answer.Headers["content-security-policy"], StringComparison.Ordinal);
        }

        Assert.Equal(404, (await tab.Page.APIRequest.GetAsync(path + "/files/manifest.json")).Status);
        Assert.Equal(404, (await tab.Page.APIRequest.GetAsync(path + "/files/..%2Fmanifest.json")).Status);

        var kept = Path.Combine(Scene.Data, "objects", "filings", "fcc-499a", order, "evidence", "values.json");
        var bytes = await File.ReadAllBytesAsync(kept, Ct);
        try
        {
            await File.WriteAllBytesAsync(kept, [.. bytes, (byte)' '], Ct);
            await tab.Page.GetByText("Verify the evidence").ClickAsync();
            await tab.SeesAsync("The evidence is not what was recorded.");
            await tab.PictureAsync("filing-changed");
        }
        finally
        {
            await File.WriteAllBytesAsync(kept, bytes, Ct);
        }

        await using var phone = await console.OpenAsync("viewer", path, phone: true, dark: true);
        await phone.PictureAsync("filing");
        using var stranger = new HttpClient(new HttpClientHandler { AllowAutoRedirect = false }) { BaseAddress = Scene.Server.BaseUrl };
        using var hidden = await stranger.GetAsync(files[0], Ct);
        Assert.Equal(302, (int)hidden.StatusCode);
    }

    private async Task<string> EventOfAsync(string order)
    {
        await using var database = NpgsqlDataSource.Create(Scene.Database!);
        await using var find = database.CreateCommand("SELECT event_id FROM order_payments WHERE order_number = $1");
        find.Parameters.AddWithValue(order);
        return (string)(await find.ExecuteScalarAsync(Ct))!;
    }
}

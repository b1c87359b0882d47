using System.Net;
using PwWorkflows.EndToEnd.Tests.Infrastructure;

namespace PwWorkflows.EndToEnd.Tests.Pages;

/// <summary>Lists that are there as a whole, mail templates, and the keyboard in tables.</summary>
[Collection(ConsoleTests.Name)]
public sealed class ListPagesTests(ConsoleScene console)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private Uri Server => console.Scene.Server.BaseUrl;

    [Fact]
    public async Task Workflows_and_schedules_are_filtered_sorted_and_taken_as_csv()
    {
        using var viewer = await ConsoleHttp.SignInAsync(Server, "viewer", Ct);
        Assert.Equal(["service-fcc-499a", "service-fcc-499a-zero"], ConsoleHttp.Column(await viewer.PageAsync("/definitions?q=499A", Ct), "Workflow"));
        var up = ConsoleHttp.Column(await viewer.PageAsync("/definitions?sort=id&q=webhook", Ct), "Workflow");
        var down = ConsoleHttp.Column(await viewer.PageAsync("/definitions?sort=-id&q=webhook", Ct), "Workflow");
        Assert.Equal(up.Reverse(), down);
        Assert.True(up.Count > 1);
        Assert.StartsWith("Workflow,Name,Runs,", await viewer.TextAsync("/definitions?format=csv", Ct), StringComparison.Ordinal);
        Assert.Empty(ConsoleHttp.Column(await viewer.PageAsync("/definitions?q=nothing-of-the-kind", Ct), "Workflow"));

        var all = ConsoleHttp.Column(await viewer.PageAsync("/schedules?sort=name", Ct), "Schedule");
        Assert.Contains("pw-cdr-retention", all);
        Assert.Equal(["pw-cdr-retention", "pw-cdr-unlock-nudge"], ConsoleHttp.Column(await viewer.PageAsync("/schedules?q=CDR&state=active&sort=name", Ct), "Schedule"));
        var csv = await viewer.TextAsync("/schedules?format=csv&q=pw-cdr-retention", Ct);
        Assert.Equal(2, csv.Split("\r\n", StringSplitOptions.RemoveEmptyEntries).Length);

        using var @operator = await ConsoleHttp.SignInAsync(Server, "operator", Ct);
        for (var i = 0; i < 2; i++) Assert.Equal(HttpStatusCode.Redirect, (await @operator.SendAsync("/schedules/pw-cdr-retention", "/schedules/pw-cdr-retention?handler=Run", new() { ["dryRun"] = "true", ["force"] = "true" }, Ct)).Status);
        await Eventually.TrueAsync(async () => ConsoleHttp.Column(await viewer.PageAsync("/schedules/pw-cdr-retention?outcome=finished", Ct), "Outcome").Count >= 2, "both runs are listed as finished", Ct);
        Assert.Contains("dry run", await viewer.TextAsync("/schedules/pw-cdr-retention?format=csv", Ct), StringComparison.Ordinal);
        await using var desk = await console.OpenAsync("operator", "/schedules/pw-cdr-retention");
        await desk.PictureAsync("schedule-runs");
        await using var phone = await console.OpenAsync("operator", "/schedules", phone: true, dark: true);
        await phone.PictureAsync("schedules");
        await phone.GoAsync("/definitions");
        await phone.PictureAsync("definitions");
    }

    [Fact]
    public async Task Every_mail_template_can_be_looked_at_and_nothing_in_it_runs()
    {
        using var viewer = await ConsoleHttp.SignInAsync(Server, "viewer", Ct);
        var first = await viewer.PageAsync("/mails", Ct);
        var names = first.QuerySelectorAll(".parts a").Select(a => a.TextContent).ToList();
        Assert.Contains("order-filed", names);
        foreach (var name in names)
        {
            var page = await viewer.PageAsync("/mails/" + name, Ct);
            Assert.Null(page.QuerySelector("[role=alert]"));
            Assert.NotEqual("", page.QuerySelector("iframe[sandbox]")!.PreviousElementSibling!.TextContent);
            Assert.Contains("<", await viewer.TextAsync($"/mails/{name}?handler=Html", Ct), StringComparison.Ordinal);
        }

        await viewer.PageAsync("/mails/nobody", Ct, HttpStatusCode.NotFound);
        await viewer.PageAsync("/mails/..%2Fsecrets", Ct, HttpStatusCode.NotFound);
        await using var tab = await console.OpenAsync("viewer", "/mails/order-filed");
        await tab.Page.FrameLocator("iframe.mail").GetByText("CO-1A2B3C4D").First.WaitForAsync();
        await tab.Page.KeepPictureAsync("console-mails", fullPage: true);
    }

    [Fact]
    public async Task J_and_k_choose_a_row_and_enter_opens_it()
    {
        await using var tab = await console.OpenAsync("viewer", "/definitions?sort=id");
        await tab.Page.Keyboard.PressAsync("j");
        await tab.Page.Keyboard.PressAsync("j");
        await tab.Page.Keyboard.PressAsync("j");
        await tab.Page.Keyboard.PressAsync("k");
        var chosen = await tab.Page.Locator("tr[data-chosen] a").First.GetAttributeAsync("href");
        Assert.Equal(await tab.Page.Locator("tbody tr").Nth(1).Locator("a").First.GetAttributeAsync("href"), chosen);
        await tab.Page.Keyboard.PressAsync("Enter");
        await tab.Page.WaitForURLAsync("**" + chosen);
    }
}

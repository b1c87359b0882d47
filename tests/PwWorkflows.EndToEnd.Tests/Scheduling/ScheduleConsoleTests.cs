using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Microsoft.Playwright;
using PwWorkflows.EndToEnd.Tests.Infrastructure;
using PwWorkflows.EndToEnd.Tests.Pages;

namespace PwWorkflows.EndToEnd.Tests.Scheduling;

/// <summary>The Schedules pages in a real browser, on a server whose clock moves when it is told to.</summary>
public sealed class ScheduleConsoleTests() : ScheduleTest(_ => Task.FromResult<string?>(null))
{
    private async Task WithTabAsync(string user, Func<ConsoleTab, Task> use, bool phone = false)
    {
        using var playwright = await Playwright.CreateAsync();
        await using var browser = await TestBrowser.LaunchAsync(playwright);
        var context = await browser.NewContextAsync(new() { BaseURL = Node.Http.BaseAddress!.ToString(), ViewportSize = phone ? new() { Width = 390, Height = 844 } : new() { Width = 1440, Height = 900 }, TimezoneId = "America/Chicago" });
        context.SetDefaultTimeout(60_000);
        await using var tab = new ConsoleTab(context, await context.NewPageAsync(), phone ? "-phone" : "");
        await tab.SignInAsync(user);
        await use(tab);
    }

    [Fact]
    public async Task An_operator_sees_runs_pauses_and_resumes_a_schedule_and_previews_another_cadence()
    {
        await PublishAsync(Definition("pw-usf-factor-monitor", Cron("0 9 * * *", ("TimeZone", "America/Chicago"))));
        await PublishAsync(Definition("pw-relay-deposit-monitor", Cron("*/5 * * * *", ("CatchUp", "Skip"))));
        await StopNodeAsync(Node);
        Clock.Advance(TimeSpan.FromHours(3));
        await StartNodeAsync();
        await SettledAsync("pw-relay-deposit-monitor");
        await SettledAsync("pw-usf-factor-monitor");
        await WithTabAsync("operator", async tab =>
        {
            await tab.GoAsync("/schedules");
            await tab.SeesAsync("every day at 09:00");
            await tab.SeesAsync("every 5 minutes");
            // The console tells what was missed while nobody was there.
            await tab.SeesAsync("nobody was there to run it (down)");
            await tab.PictureAsync("schedules");
            await tab.Page.GetByRole(AriaRole.Link, new() { Name = "pw-usf-factor-monitor", Exact = true }).First.ClickAsync();
            await tab.SeesAsync("caught up");
            Assert.Equal("/studio/host/editor?id=pw-usf-factor-monitor", await tab.Page.GetByRole(AriaRole.Link, new() { Name = "Open in the designer" }).GetAttributeAsync("href"));

            // What another cadence would do, before it is published.
            await tab.Page.GetByLabel("Cron").FillAsync("30 2 * * *");
            await tab.Page.GetByRole(AriaRole.Button, new() { Name = "Preview" }).ClickAsync();
            await tab.SeesAsync("every day at 02:30");
            await tab.SeesAsync("Tue 2026-04-07 02:30:00 -05:00");
            await tab.Page.GetByLabel("Zone").FillAsync("America/Chikago");
            await tab.Page.GetByRole(AriaRole.Button, new() { Name = "Preview" }).ClickAsync();
            await tab.SeesAsync("'America/Chikago' is not an IANA time zone");

            await tab.GoAsync("/schedules/pw-usf-factor-monitor");
            await tab.Page.GetByLabel("dry run").CheckAsync();
            await tab.Page.GetByRole(AriaRole.Button, new() { Name = "Run now" }).ClickAsync();
            await tab.SeesAsync("pw-usf-factor-monitor is started.");
            await tab.SeesAsync("started, asked for by operator, dry run");

            await tab.GoAsync("/schedules/pw-usf-factor-monitor");
            await tab.Page.GetByLabel("Reason").FillAsync("the page is being rebuilt");
            await tab.Page.GetByRole(AriaRole.Button, new() { Name = "Pause" }).ClickAsync();
            await tab.SeesAsync("pw-usf-factor-monitor is paused.");
            Clock.Advance(TimeSpan.FromDays(2));
            // Two days later nobody is signed in any more: the open page finds out by itself.
            await tab.Page.WaitForURLAsync("**/sign-in?next=*", new() { WaitUntil = WaitUntilState.Commit });
            await tab.SignInAsync("operator");
            await tab.SeesAsync("2 due times have passed");
            await tab.PictureAsync("schedule");
            await tab.Page.GetByLabel("Reason").FillAsync("it is back");
            await tab.Page.GetByRole(AriaRole.Button, new() { Name = "Resume" }).ClickAsync();
            await tab.SeesAsync("2 due times passed meanwhile: nothing is done about them");
        });
        Assert.Contains(await RunsAsync("pw-usf-factor-monitor"), r => r is { Outcome: "skipped", Reason: "paused", Covers: 2 });
    }

    [Fact]
    public async Task The_calendar_marks_the_days_on_which_clocks_change_and_a_viewer_can_only_look()
    {
        await PublishAsync(Definition("pw-usf-factor-monitor", Cron("0 9 * * *", ("TimeZone", "America/Chicago"))));
        await WithTabAsync("viewer", async tab =>
        {
            await tab.GoAsync("/schedules/calendar?month=2026-11");
            var day = tab.Page.Locator("[data-day='2026-11-01']");
            await day.GetByText("America/Chicago: clocks go back by 1 hour").WaitForAsync();
            Assert.Matches(new Regex("pw-usf-factor-monitor 09:00"), (await day.InnerTextAsync()).ReplaceLineEndings(" "));
            await tab.PictureAsync("schedule-calendar");
            await tab.GoAsync("/schedules/pw-usf-factor-monitor");
            await tab.SeesAsync("Coming runs");
            Assert.Equal(0, await tab.Page.GetByRole(AriaRole.Button, new() { Name = "Run now" }).CountAsync());
        });
    }

    [Fact]
    public async Task A_cadence_edited_and_published_in_the_designer_shows_its_next_run_and_runs_then_and_not_at_the_old_time()
    {
        await PublishAsync(Placed(Definition("pw-job", Cron("0 13 * * *"))));
        await using (var browser = await StudioBrowser.StartAsync(Node.Http.BaseAddress!))
        {
            var designer = new Designer(browser.Page);
            // By the browser's own clock the sign-in would have ended long ago.
            await browser.Page.AddInitScriptAsync($"const real = Date.now, ahead = {Now.ToUnixTimeMilliseconds()} - real(); Date.now = () => real() + ahead;");
            await browser.SignInAsync("operator", "/studio/host/editor?id=pw-job");
            await designer.ShowAllAsync(3);
            await designer.ChooseAsync("schedule");
            await designer.WriteAsync(designer.Input("When it is due: five fields"), "0 10 * * *");
            await designer.PickAsync("The IANA time zone of the cron fields", "America/Chicago");
            // Studio asks for the coming runs when the activity is chosen.
            await designer.ChooseAsync("any");
            await designer.ChooseAsync("schedule");
            await browser.Page.GetByText("next: Mon 2026-04-06 10:00:00").WaitForAsync();
            await browser.PictureAsync("editor-cadence");
            // Until it is published, the old cadence goes on.
            Assert.Equal(At("2026-04-06T13:00:00Z"), (await ShowAsync("pw-job")).NextRunAt);
            await designer.PublishAsync();
        }

        await WithTabAsync("viewer", async tab =>
        {
            await tab.GoAsync("/schedules");
            await tab.SeesAsync("Mon Apr 6, 10:00:00");
            await tab.PictureAsync("schedules");
        }, phone: true);
        Clock.SetUtcNow(At("2026-04-06T13:00:00Z"));
        await SettledAsync("pw-job");
        Assert.Empty(await RunsAsync("pw-job"));
        Clock.SetUtcNow(At("2026-04-06T15:00:00Z"));
        await UntilAsync(async () => (await RunsAsync("pw-job")) is [{ Outcome: "finished" }], "it runs at the new time");
    }

    /// <summary>The definition as the designer wants it: with versions, and its activities beside each other on the canvas.</summary>
    private static string Placed(string definition)
    {
        var json = JsonNode.Parse(definition)!;
        var root = json["root"]!;
        root["version"] = 1;
        var x = 0;
        foreach (var activity in root["activities"]!.AsArray())
        {
            activity!["version"] = 1;
            activity["metadata"] = new JsonObject { ["designer"] = new JsonObject { ["position"] = new JsonObject { ["x"] = x += 300, ["y"] = 100 }, ["size"] = new JsonObject { ["width"] = 180, ["height"] = 60 } } };
        }

        return json.ToJsonString();
    }
}

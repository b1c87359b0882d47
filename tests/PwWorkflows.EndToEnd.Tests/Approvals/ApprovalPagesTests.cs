using System.Net;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Playwright;
using PwWorkflows.Activities.Approvals;
using PwWorkflows.Activities.Records;
using PwWorkflows.EndToEnd.Tests.Infrastructure;
using PwWorkflows.EndToEnd.Tests.Pages;

namespace PwWorkflows.EndToEnd.Tests.Approvals;

/// <summary>One server and one Chromium for all that is done about approvals in a browser.</summary>
public sealed class ApprovalScene : IAsyncLifetime
{
    public ApprovalServer Server { get; } = new SqliteApprovalServer();

    public ConsoleBrowser Browser { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        await Server.InitializeAsync();
        await Server.TokenOfAsync("ada");
        Browser = await ConsoleBrowser.StartAsync(() => Server.Http.BaseAddress!);
    }

    public async ValueTask DisposeAsync()
    {
        await Browser.DisposeAsync();
        await Server.DisposeAsync();
    }

    /// <summary>The link that a person was mailed about a request.</summary>
    public async Task<string> LinkAsync(Approval approval, string user)
    {
        await Server.WaitAsync(async () => (await Server.MailsAsync(approval)).Any(m => m.To == user + "@performancewest.net"), $"{user} is mailed about {approval.Id}");
        return (await Server.MailsAsync(approval)).Last(m => m.To == user + "@performancewest.net").Link;
    }
}

/// <summary>Deciding in real browsers: on the page, beside the viewer, by the link of a mail.</summary>
public sealed class ApprovalPagesTests(ApprovalScene scene) : IClassFixture<ApprovalScene>
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private ApprovalServer Server => scene.Server;

    private async Task<Approval> ReadAsync(Approval approval) => (await Server.Store.FindAsync(approval.Id, Ct))!;

    private static ILocator Button(ConsoleTab tab, string name) => tab.Page.GetByRole(AriaRole.Button, new() { Name = name, Exact = false });

    /// <summary>Nothing of the request is on the page, only a sentence and the way to the sign-in.</summary>
    private static async Task TellsNothingAsync(ConsoleTab tab, Approval approval)
    {
        var text = await tab.Page.ContentAsync();
        foreach (var part in (string[])[approval.Title, approval.Id, "The money goes out over Relay.", "Telecom", "form class=\"word\""]) Assert.DoesNotContain(part, text, StringComparison.Ordinal);
        Assert.Equal(1, await tab.Page.GetByRole(AriaRole.Link, new() { Name = "Sign in" }).CountAsync());
    }

    private static void Accept(ConsoleTab tab) => tab.Page.Dialog += (_, dialog) => _ = dialog.AcceptAsync();

    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public async Task The_pages_read_well_on_desk_and_phone_in_light_and_dark(bool phone, bool dark)
    {
        var waiting = await Server.AskAsync("Pay the government fee of Prairie Fiber Telephone Inc", new { People = 2, AmountCents = 1_250_000, RequestedBy = "operator" });
        var decided = await Server.AskAsync("Refund an order that was paid twice", new { AmountCents = 49_900 });
        await Server.DecideAsync(decided.Id, "ada", new { decision = "reject", note = "It was one payment, shown twice by the bank." });
        await using var tab = await scene.Browser.OpenAsync("admin", "/approvals", phone, dark);
        await tab.SeesAsync(waiting.Title);
        await tab.PictureAsync("approvals");
        await tab.GoAsync("/approvals/" + waiting.Id);
        await tab.SeesAsync("Two different people must approve; this is the first.");
        await tab.PictureAsync("approval");
        await tab.GoAsync("/approvals/" + decided.Id);
        await tab.SeesAsync("It was one payment, shown twice by the bank.");
        await tab.PictureAsync("approval-decided");
        await using var stranger = await scene.Browser.StrangerAsync(phone, dark);
        await stranger.GoAsync(await scene.LinkAsync(waiting, "ada"));
        await stranger.SeesAsync("You decide as Ada Admin");
        await stranger.PictureAsync("approval-link");
    }

    [Fact]
    public async Task An_administrator_approves_on_the_page_and_the_workflow_goes_on()
    {
        var approval = await Server.AskAsync(more: new { AmountCents = 125_000 });
        await using var tab = await scene.Browser.OpenAsync("admin", "/approvals");
        Accept(tab);
        await tab.Page.Locator(".ask", new() { HasText = approval.Title }).GetByRole(AriaRole.Link, new() { Name = "Look and decide" }).ClickAsync();
        // What customers and workflows say stays text.
        await tab.SeesAsync("Acme <b>Telecom</b>");
        await tab.SeesAsync("The money goes out over Relay.");
        await tab.SeesAsync("1,250.00 USD: one person is enough.");
        await tab.Page.FillAsync("textarea[name=note]", "seen the invoice");
        await Button(tab, "Approve 1,250.00 USD").ClickAsync();
        await tab.SeesAsync("Approved. The workflow goes on.");
        Assert.Equal(("went-approved", "admin: seen the invoice"), await Server.OutcomeAsync(approval));
        await tab.GoAsync("/approvals/" + approval.Id);
        await tab.SeesAsync("took the outcome and went on:");
        Assert.Equal(0, await tab.Page.Locator("form.word").CountAsync());
        Assert.Equal("console", Assert.Single((await ReadAsync(approval)).Decisions).Via);
    }

    [Fact]
    public async Task A_rejection_needs_a_reason()
    {
        var approval = await Server.AskAsync();
        await using var tab = await scene.Browser.OpenAsync("admin", "/approvals/" + approval.Id, phone: true);
        await Button(tab, "Reject").ClickAsync();
        await tab.SeesAsync("Say why you reject it");
        Assert.Equal(ApprovalStatuses.Waiting, (await ReadAsync(approval)).Status);
        await tab.Page.FillAsync("textarea[name=note]", "<script>alert(1)</script> too much");
        await Button(tab, "Reject").ClickAsync();
        await tab.SeesAsync("Rejected. The workflow goes on.");
        await tab.SeesAsync("<script>alert(1)</script> too much");
        Assert.Equal(("went-rejected", "admin: <script>alert(1)</script> too much"), await Server.OutcomeAsync(approval));
    }

    [Fact]
    public async Task A_double_click_decides_once()
    {
        var approval = await Server.AskAsync();
        await using var tab = await scene.Browser.OpenAsync("admin", "/approvals/" + approval.Id);
        Accept(tab);
        await Button(tab, "Approve").DblClickAsync();
        await tab.SeesAsync("Approved. The workflow goes on.");
        Assert.Equal("went-approved", (await Server.OutcomeAsync(approval)).Outcome);
        Assert.Single((await ReadAsync(approval)).Decisions);

        // Without the page's help against it, the same: two posts of one form.
        var second = await Server.AskAsync();
        await using var other = await scene.Browser.OpenAsync("admin", "/approvals/" + second.Id);
        // Sent beside the page, which shows the decision as soon as it hears of it.
        var form = other.Page.APIRequest.CreateFormData();
        foreach (var (name, value) in await other.Page.EvaluateAsync<Dictionary<string, string>>("() => Object.fromEntries(new FormData(document.querySelector('form.word')))")) form.Set(name, value);
        form.Set("decision", "approve");
        var answers = await Task.WhenAll(Enumerable.Range(0, 2).Select(_ => other.Page.APIRequest.PostAsync("/approvals/" + second.Id, new() { Form = form })));
        var statuses = await Task.WhenAll(answers.Select(a => a.TextAsync()));
        Assert.All(statuses, s => Assert.Contains("Approved by Sandbox Admin", s, StringComparison.Ordinal));
        Assert.Single((await ReadAsync(second)).Decisions);
        var audit = await Server.Services.GetRequiredService<AuditLog>().LatestAsync(1000, Ct);
        Assert.Single(audit, e => e.Subject == second.Id && e.Action == "approval-approved");
    }

    [Fact]
    public async Task Of_two_administrators_in_two_browsers_one_wins_and_the_other_is_told_who()
    {
        var approval = await Server.AskAsync();
        await using var one = await scene.Browser.OpenAsync("admin", "/approvals/" + approval.Id);
        await using var two = await scene.Browser.OpenAsync("ada", "/approvals/" + approval.Id, password: "admin");
        Accept(one);
        await two.Page.FillAsync("textarea[name=note]", "no");
        // A first page loads itself once more for the zone it learned; a click would wait for that, and come when the other has decided.
        foreach (var button in (ILocator[])[Button(one, "Approve"), Button(two, "Reject")]) await button.HoverAsync();
        await Task.WhenAll(Button(one, "Approve").ClickAsync(), Button(two, "Reject").ClickAsync());
        await Eventually.TrueAsync(async () => (await ReadAsync(approval)).Status != ApprovalStatuses.Waiting, "one of them has decided", Ct); // a click is over before its form has arrived
        var (winner, told) = (await ReadAsync(approval)).Status == ApprovalStatuses.Approved ? (one, two) : (two, one);
        await winner.SeesAsync("The workflow goes on.");
        await told.SeesAsync("Too late, nothing was changed.");
        await told.SeesAsync(winner == one ? "Approved by Sandbox Admin" : "Rejected by Ada Admin");
        Assert.Single((await ReadAsync(approval)).Decisions);

        // A page that is only open learns by itself.
        var other = await Server.AskAsync();
        await using var watching = await scene.Browser.OpenAsync("admin", "/approvals/" + other.Id);
        await Server.DecideAsync(other.Id, "ada", new { decision = "approve" });
        await watching.SeesAsync("Approved by Ada Admin");
        await Eventually.TrueAsync(async () => await watching.Page.Locator("form.word").CountAsync() == 0, "the form is gone", Ct);
    }

    [Fact]
    public async Task Operators_and_viewers_see_it_and_can_not_decide()
    {
        var approval = await Server.AskAsync();
        foreach (var user in (string[])["operator", "viewer"])
        {
            await using var tab = await scene.Browser.OpenAsync(user, "/approvals/" + approval.Id);
            await tab.SeesAsync("is no administrator.");
            Assert.Equal(0, await tab.Page.Locator("form.word").CountAsync());
            // The form of the sign-out has a good antiforgery token; only the role is missing.
            tab.Expect(403);
            var status = await tab.Page.EvaluateAsync<int>(
                "async () => { const form = new FormData(document.querySelector('form[action=\"/sign-out\"]')); form.set('decision', 'approve'); return (await fetch(location.href, { method: 'POST', body: new URLSearchParams(form) })).status; }");
            Assert.Equal(403, status);
        }

        Assert.Equal(ApprovalStatuses.Waiting, (await ReadAsync(approval)).Status);
        await using var admin = await scene.Browser.OpenAsync("admin", "/approvals/" + approval.Id);
        admin.Expect(400);
        Assert.Equal(400, await admin.Page.EvaluateAsync<int>("async () => (await fetch(location.href, { method: 'POST', body: new URLSearchParams({ decision: 'approve' }) })).status"));
        Assert.Equal(ApprovalStatuses.Waiting, (await ReadAsync(approval)).Status);
        admin.Expect(404);
        await admin.GoAsync("/approvals/AP-0000000000");
        await admin.SeesAsync("There is no request AP-0000000000.");
    }

    [Fact]
    public async Task The_link_of_a_mail_opens_a_page_that_decides_only_when_its_button_is_pressed_and_only_once()
    {
        var approval = await Server.AskAsync(more: new { AmountCents = 99_00 });
        var link = await scene.LinkAsync(approval, "ada");
        // Scanners of mail open links, some with HEAD, and follow nothing else.
        foreach (var method in (HttpMethod[])[HttpMethod.Get, HttpMethod.Head, HttpMethod.Get])
        {
            using var scan = new HttpRequestMessage(method, link);
            using var answer = await Server.Http.SendAsync(scan, Ct);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            Assert.Equal("no-referrer", Assert.Single(answer.Headers.GetValues("Referrer-Policy")));
            Assert.Contains("no-store", answer.Headers.CacheControl!.ToString(), StringComparison.Ordinal);
        }

        using (var blind = await Server.Http.PostAsync(link, new FormUrlEncodedContent([new("decision", "approve")]), Ct)) Assert.Equal(HttpStatusCode.BadRequest, blind.StatusCode);
        Assert.Equal(ApprovalStatuses.Waiting, (await ReadAsync(approval)).Status);

        await using var tab = await scene.Browser.StrangerAsync(phone: true);
        await tab.GoAsync(link);
        await tab.SeesAsync("You decide as Ada Admin");
        await tab.SeesAsync("The money goes out over Relay.");
        await Button(tab, "Approve 99.00 USD").DblClickAsync();
        await tab.SeesAsync("Approved by Ada Admin");
        Assert.Equal("went-approved", (await Server.OutcomeAsync(approval)).Outcome);
        Assert.Equal(("ada", "mail"), ((await ReadAsync(approval)).Decisions[0].Username, Assert.Single((await ReadAsync(approval)).Decisions).Via));
        await tab.GoAsync(link);
        await tab.SeesAsync("This link was used by Ada Admin");
        await TellsNothingAsync(tab, approval);

        // Another administrator's link to the same request is told who decided.
        await using var late = await scene.Browser.StrangerAsync();
        await late.GoAsync(await scene.LinkAsync(approval, "admin"));
        await late.SeesAsync("Approved by Ada Admin");
        await TellsNothingAsync(late, approval);
    }

    [Fact]
    public async Task The_link_of_a_mail_rejects_too_and_whoever_is_signed_in_decides_as_the_person_of_the_link()
    {
        var approval = await Server.AskAsync();
        await using var tab = await scene.Browser.OpenAsync("viewer", await scene.LinkAsync(approval, "ada"));
        await Button(tab, "Reject").ClickAsync();
        await tab.SeesAsync("Say why you reject it");
        await tab.Page.FillAsync("textarea[name=note]", "not this quarter");
        await Button(tab, "Reject").ClickAsync();
        await tab.SeesAsync("Rejected by Ada Admin");
        // Whoever has just decided sees once more what it was about.
        await tab.SeesAsync("The money goes out over Relay.");
        Assert.Equal(("went-rejected", "ada: not this quarter"), await Server.OutcomeAsync(approval));
    }

    [Fact]
    public async Task A_forged_link_a_link_that_ran_out_and_one_of_somebody_who_lost_the_role_decide_nothing()
    {
        var approval = await Server.AskAsync();
        var link = await scene.LinkAsync(approval, "ada");
        await using var tab = await scene.Browser.StrangerAsync();
        tab.Expect(404);
        await tab.GoAsync(link[..^1] + (link[^1] == '0' ? '1' : '0'));
        await tab.SeesAsync("This link is not valid.");
        await tab.PictureAsync("approval-link-forged");
        await tab.GoAsync("/approvals/link");
        await tab.SeesAsync("This link is not valid.");

        await tab.GoAsync(link);
        await tab.SeesAsync("You decide as Ada Admin");
        await Server.ExecuteAsync("UPDATE admin_users SET roles = 'viewer' WHERE username = 'ada'");
        await Button(tab, "Approve").ClickAsync();
        await tab.SeesAsync("Ada Admin is no administrator.");
        await TellsNothingAsync(tab, approval);
        await tab.GoAsync(link);
        await tab.SeesAsync("Ada Admin is no administrator.");
        await TellsNothingAsync(tab, approval);
        await tab.PictureAsync("approval-link-told");
        await Server.ExecuteAsync("UPDATE admin_users SET roles = 'admin' WHERE username = 'ada'");
        Assert.Equal(ApprovalStatuses.Waiting, (await ReadAsync(approval)).Status);

        await tab.GoAsync(link);
        Server.Clock.Advance(TimeSpan.FromHours(73));
        await Button(tab, "Approve").ClickAsync();
        await tab.SeesAsync("This link ran out at");
        await TellsNothingAsync(tab, approval);
        Assert.Equal(ApprovalStatuses.Waiting, (await ReadAsync(approval)).Status);

        // The reminders of the days between brought a fresh one; when the time is over, none decides.
        scene.Browser.SignInAgain();
        await Server.WaitAsync(async () => (await Server.MailsAsync(approval)).Count(m => m.To == "ada@performancewest.net") == 2, "ada is reminded");
        var fresh = await scene.LinkAsync(approval, "ada");
        Assert.NotEqual(link, fresh);
        await tab.GoAsync(fresh);
        await tab.SeesAsync("You decide as Ada Admin");
        Server.Clock.Advance(TimeSpan.FromDays(5));
        scene.Browser.SignInAgain();
        Assert.Equal("went-expired", (await Server.OutcomeAsync(approval)).Outcome);
        await Button(tab, "Approve").ClickAsync();
        await tab.SeesAsync("the time ran out");
        Assert.Empty((await ReadAsync(approval)).Decisions);
    }

    [Fact]
    public async Task The_panel_beside_the_viewer_shows_what_the_open_instance_waits_for_and_decides_it()
    {
        var approval = await Server.AskAsync(more: new { AmountCents = 125_000 });
        var rejected = await Server.AskAsync();
        var taken = await Server.AskAsync();
        await using (var browser = await StudioBrowser.StartAsync(Server.Http.BaseAddress!))
        {
            var page = browser.Page;
            await browser.SignInAsync("admin", "/studio/host/instance?id=" + approval.InstanceId);
            var panel = page.Locator("#pw-approvals");
            await panel.GetByText("Waits for an approval").WaitForAsync();
            await panel.GetByText("Acme <b>Telecom</b>").WaitForAsync();
            await page.GetByText("Suspended").First.WaitForAsync();
            await browser.PictureAsync("instance-approval");
            await panel.GetByRole(AriaRole.Button, new() { Name = "Approve 1,250.00 USD" }).ClickAsync();
            await panel.GetByText("Approved by Sandbox Admin").First.WaitForAsync();
            Assert.Equal("went-approved", (await Server.OutcomeAsync(approval)).Outcome);
            Assert.Equal("studio", Assert.Single((await ReadAsync(approval)).Decisions).Via);
            await browser.PictureAsync("instance-approval-decided");

            await page.GotoAsync("/studio/host/instance?id=" + rejected.InstanceId);
            await panel.GetByText("Waits for an approval").WaitForAsync();
            await panel.GetByRole(AriaRole.Button, new() { Name = "Reject" }).ClickAsync();
            await panel.GetByText("Say why you reject it.").WaitForAsync();
            await panel.Locator("textarea").FillAsync("no");
            await panel.GetByRole(AriaRole.Button, new() { Name = "Reject" }).ClickAsync();
            await panel.GetByText("Rejected by Sandbox Admin").First.WaitForAsync();
            Assert.Equal(("went-rejected", "admin: no"), await Server.OutcomeAsync(rejected));

            // Somebody else is quicker: whoever comes too late is told who it was.
            await page.GotoAsync("/studio/host/instance?id=" + taken.InstanceId);
            await panel.GetByText("Waits for an approval").WaitForAsync();
            await panel.Locator("textarea").FillAsync("mine");
            browser.Expect(409);
            await page.RouteAsync("**/decide", async route =>
            {
                Assert.Equal(HttpStatusCode.OK, (await Server.DecideAsync(taken.Id, "ada", new { decision = "approve" })).Status);
                await route.ContinueAsync();
            });
            await panel.GetByRole(AriaRole.Button, new() { Name = "Reject" }).ClickAsync();
            await panel.GetByText("Nothing was changed. Approved by Ada Admin").WaitForAsync();
            Assert.Equal("ada", Assert.Single((await ReadAsync(taken)).Decisions).Username);
        }

        var seen = await Server.AskAsync();
        await using var phone = await StudioBrowser.StartAsync(Server.Http.BaseAddress!, 390, 844);
        await phone.SignInAsync("operator", "/studio/host/instance?id=" + seen.InstanceId);
        await phone.Page.Locator("#pw-approvals").GetByText("is no administrator").WaitForAsync();
        Assert.Equal(0, await phone.Page.Locator("#pw-approvals button").CountAsync());
        await phone.PictureAsync("instance-approval-phone");
    }

    [Fact]
    public async Task What_waits_is_counted_in_the_rail_and_on_the_overview_and_the_list_can_be_filtered_and_saved()
    {
        var approval = await Server.AskAsync("Find me among 100% of them");
        await using var tab = await scene.Browser.OpenAsync("viewer", "/");
        await tab.SeesAsync("Find me among 100% of them");
        await tab.Page.Locator(".rail a[href='/approvals'] .count").WaitForAsync();
        await tab.GoAsync("/approvals?title=" + Uri.EscapeDataString("100% OF") + "&status=waiting");
        await tab.Page.Locator("[data-rows]").GetByText(approval.Title).WaitForAsync();
        Assert.Equal(1, await tab.Page.Locator("[data-rows] tbody tr").CountAsync());
        // SQLite knows the case of plain letters only; what is typed as it is written is found all the same.
        var accents = await Server.AskAsync("Pay Über-Söhne ÉCO");
        await tab.GoAsync("/approvals?title=" + Uri.EscapeDataString("pay Über-Söhne É"));
        await tab.Page.Locator("[data-rows]").GetByText(accents.Title).WaitForAsync();
        await tab.GoAsync("/approvals?title=100_+of");
        await tab.SeesAsync("Nothing matches.");
        await tab.GoAsync("/search?q=" + approval.Id.ToLowerInvariant());
        await tab.SeesAsync(approval.Title);
        var csv = await tab.Page.EvaluateAsync<string>("async () => (await fetch('/approvals?format=csv&title=Find+me')).text()");
        Assert.Contains(approval.Id, csv, StringComparison.Ordinal);
    }
}

using Microsoft.Playwright;
using PwWorkflows.EndToEnd.Tests.Infrastructure;

namespace PwWorkflows.EndToEnd.Tests.Server;

/// <summary>A workflow drawn from nothing with the mouse in the real designer answers over HTTP until it is taken back.</summary>
public sealed class StudioDrawingTests(RunningServer running)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_workflow_drawn_from_nothing_answers_on_both_branches_and_no_more_once_it_is_unpublished()
    {
        var path = "drawn-" + Guid.NewGuid().ToString("N")[..8];
        await using var browser = await StudioBrowser.StartAsync(running.Server.BaseUrl, 2200, 1200);
        var page = browser.Page;
        var designer = new Designer(page);
        await browser.SignInAsync("operator", "/studio/host/workflows");
        await page.WaitForURLAsync("**/studio/host/workflows?*pageSize=*"); // the list has written its page into the address, which closes dialogs
        await page.GetByRole(AriaRole.Button, new() { Name = "Create workflow" }).ClickAsync();
        var dialog = page.Locator(".mud-dialog");
        await dialog.Locator("input").First.FillAsync("Drawn by hand " + path[^8..]);
        await dialog.Locator("input").First.PressAsync("Tab");
        await dialog.GetByRole(AriaRole.Button, new() { Name = "Ok" }).ClickAsync();
        await page.WaitForURLAsync("**/studio/host/editor?id=*");

        var endpoint = await designer.DropAsync("HTTP", "HTTP Endpoint", "HttpEndpoint1", 380, 350);
        var set = await designer.DropAsync("Primitives", "Set Variable", "SetVariable1", 660, 350);
        var decision = await designer.DropAsync("Branching", "Decision", "FlowDecision1", 980, 350);
        var large = await designer.DropAsync("HTTP", "HTTP Response", "WriteHttpResponse1", 1300, 250);
        var small = await designer.DropAsync("HTTP", "HTTP Response", "WriteHttpResponse2", 1300, 450);
        await designer.ConnectAsync(endpoint, "Done", set);
        await designer.ConnectAsync(set, "Done", decision);
        await designer.ConnectAsync(decision, "True", large);
        await designer.ConnectAsync(decision, "False", small);
        await designer.AddVariableAsync("Doubled");

        await designer.ChooseAsync(endpoint);
        await designer.WriteAsync(designer.Input("The path to associate with the workflow."), path);
        await designer.TickAsync("GET");
        await designer.ChooseAsync(set);
        await designer.PickAsync("The variable to assign the value to.", "Doubled");
        await designer.WriteJavaScriptAsync("Value", "return getOutputFrom('HttpEndpoint1', 'QueryStringData').n * 2");
        await designer.ChooseAsync(decision);
        await designer.WriteJavaScriptAsync("Condition", "return variables.Doubled > 10");
        await designer.ChooseAsync(large);
        await designer.WriteJavaScriptAsync("Content", "return 'large: ' + variables.Doubled");
        await designer.ChooseAsync(small);
        await designer.WriteAsync(designer.Input("The content to write back."), "small");
        await browser.PictureAsync("editor-drawn");

        Assert.Equal((404, ""), await AskAsync("7"));
        await designer.PublishAsync();
        Assert.Equal((200, "large: 14"), await AskAsync("7"));
        Assert.Equal((200, "small"), await AskAsync("5"));

        await designer.UnpublishAsync();
        Assert.Equal((404, ""), await AskAsync("7"));
        async Task<(int Status, string Text)> AskAsync(string n)
        {
            using var answer = await running.Http.GetAsync($"/workflows/{path}?n={n}", Ct);
            return ((int)answer.StatusCode, answer.IsSuccessStatusCode ? await answer.Content.ReadAsStringAsync(Ct) : "");
        }
    }
}

using Microsoft.Playwright;
using PwWorkflows.Activities.Usac;

namespace PwWorkflows.EndToEnd.Tests.Infrastructure;

/// <summary>The browser that the tests look at pages with: the one without windows where it is installed, which takes half the processor time.</summary>
internal static class TestBrowser
{
    public static Task<IBrowser> LaunchAsync(IPlaywright playwright) => playwright.Chromium.LaunchAsync(new()
    {
        ExecutablePath = ChromiumPool.Locate(new UsacOptions { ChromiumPath = Environment.GetEnvironmentVariable("CHROMIUM_PATH") }),
        Headless = true,
        Args = ["--no-sandbox", "--disable-dev-shm-usage"],
    });
}

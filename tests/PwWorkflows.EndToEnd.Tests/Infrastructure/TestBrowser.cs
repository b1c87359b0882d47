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

    /// <summary>
    /// Keeps a picture of a page for people to look at, in the folder of the test program. A browser on a busy machine loses a frame now and then; it is asked for the next one.
    /// </summary>
    public static async Task KeepPictureAsync(this IPage page, string name, bool fullPage = false)
    {
        var folder = Path.Combine(AppContext.BaseDirectory, "screenshots");
        Directory.CreateDirectory(folder);
        var picture = new PageScreenshotOptions { Path = Path.Combine(folder, name + ".jpg"), Type = ScreenshotType.Jpeg, Quality = 85, FullPage = fullPage };
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                await page.ScreenshotAsync(picture);
                return;
            }
            catch (PlaywrightException e) when (attempt < 4 && e.Message.Contains("Unable to capture screenshot", StringComparison.Ordinal))
            {
            }
        }
    }
}

using PwWorkflows.Sandbox;

try
{
    var app = SandboxApp.Create(SandboxOptions.Parse(args, Environment.GetEnvironmentVariable));
    await app.StartAsync();
    Console.WriteLine("sandbox ready " + string.Join(' ', app.Urls));
    await app.WaitForShutdownAsync();
    return 0;
}
catch (SandboxOptionException e)
{
    await Console.Error.WriteLineAsync("pw-sandbox: " + e.Message);
    return 2;
}
catch (IOException e)
{
    // A taken port arrives as an IOException around the socket's own words.
    await Console.Error.WriteLineAsync("pw-sandbox: " + e.Message);
    return 1;
}
